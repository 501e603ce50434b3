with source as (

    select * from {{ source('salesforce', 'sfdc_lead') }}

),

renamed as (

    select
        id as lead_id,
        owner_id as owner_user_id,
        converted_account_id,
        converted_contact_id,
        converted_opportunity_id,
        campaign_id,
        _batch_id as batch_id,

        name as lead_name,
        title,
        company as company_name,
        lower({{ trimmed('email') }}) as email,
        country,
        brand,
        lead_source,
        status as lead_status,
        rating,
        industry,

        annual_revenue,
        number_of_employees,

        has_opted_out_of_email,
        coalesce(is_converted, false) as is_converted,

        converted_date,
        last_activity_date,

        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
