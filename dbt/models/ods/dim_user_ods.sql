with users as (

    select * from {{ ref('int_commercial_users') }}

),

final as (

    select
        user_id,
        employee_number,
        manager_user_id,

        user_name,
        manager_name,
        username,
        email,
        title,
        department,
        brand,
        role_name,
        user_type,
        country,
        time_zone,

        quota_annual,
        is_active,
        last_login_at,
        created_at,
        changed_at
    from users

)

select * from final
