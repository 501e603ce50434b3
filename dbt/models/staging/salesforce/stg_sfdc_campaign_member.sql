with source as (

    select * from {{ source('salesforce', 'sfdc_campaign_member') }}

),

renamed as (

    select
        id as campaign_member_id,
        campaign_id,
        lead_id,
        contact_id,
        _batch_id as batch_id,

        type as member_type,
        status as member_status,
        lead_source,
        company_or_account,

        coalesce(has_responded, false) as has_responded,

        first_responded_date,

        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
