with source as (

    select * from {{ source('salesforce', 'sfdc_user') }}

),

renamed as (

    select
        id as user_id,
        manager_id as manager_user_id,
        employee_number,
        _batch_id as batch_id,

        username,
        name as user_name,
        lower({{ trimmed('email') }}) as email,
        title,
        department,
        division,
        user_role_name as role_name,
        user_type,
        country,
        time_zone_sid_key as time_zone,

        quota_annual,

        coalesce(is_active, false) as is_active,

        last_login_date as last_login_at,
        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
