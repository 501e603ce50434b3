with users as (

    select * from {{ ref('stg_sfdc_user') }}
    where {{ only_commercial('division', allow_shared=true) }}

),

final as (

    select
        users.user_id,
        users.employee_number,
        managers.user_id as manager_user_id,

        users.user_name,
        managers.user_name as manager_name,
        users.username,
        users.email,
        users.title,
        users.department,
        users.division as brand,
        users.role_name,
        users.user_type,
        users.country,
        users.time_zone,

        users.quota_annual,
        users.is_active,
        users.last_login_at,
        users.created_at,
        users.changed_at
    from users
    left join users as managers on users.manager_user_id = managers.user_id

)

select * from final
