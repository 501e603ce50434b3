with source as (

    select * from {{ source('salesforce', 'sfdc_contact') }}

),

renamed as (

    select
        id as contact_id,
        account_id,
        owner_id as owner_user_id,
        _batch_id as batch_id,

        first_name,
        last_name,
        name as contact_name,
        title,
        department,
        lower({{ trimmed('email') }}) as email,
        mailing_country,
        lead_source,

        coalesce(is_primary, false) as is_primary,
        coalesce(has_opted_out_of_email, false) as has_opted_out_of_email,
        do_not_call,

        last_activity_date,

        email_bounced_date,
        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
