with source as (

    select * from {{ source('salesforce', 'sfdc_campaign') }}

),

renamed as (

    select
        id as campaign_id,
        parent_id as parent_campaign_id,
        owner_id as owner_user_id,
        _batch_id as batch_id,

        name as campaign_name,
        type as campaign_type,
        status as campaign_status,
        brand,
        currency_iso_code as currency,

        budgeted_cost,
        actual_cost,
        expected_revenue,
        expected_response,
        number_sent,
        number_of_leads,
        number_of_converted_leads,
        number_of_contacts,
        number_of_responses,
        number_of_opportunities,
        number_of_won_opportunities,
        amount_all_opportunities,
        amount_won_opportunities,

        coalesce(is_active, false) as is_active,

        start_date,
        end_date,

        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
