with source as (

    select * from {{ source('salesforce', 'sfdc_account') }}

),

renamed as (

    select
        id as account_id,
        parent_id as parent_account_id,
        account_number,
        owner_id as owner_user_id,
        _batch_id as batch_id,

        name as account_name,
        type as account_type,
        brands,
        primary_brand,
        customer_status,
        industry,
        ownership,
        rating,
        account_source,
        website,
        billing_city,
        billing_state,
        billing_postal_code,
        billing_country,
        upper(billing_country_code) as billing_country_code,
        currency_iso_code as currency,

        annual_revenue,
        number_of_employees,
        health_score,

        is_partner,

        customer_since,
        last_activity_date,

        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
