with users as (

    select * from {{ ref('dim_user_ods') }}

),

known as (

    select
        {{ surrogate_key(['user_id']) }} as sales_rep_key,
        user_id,
        coalesce(user_name, '(no name)') as sales_rep_name,
        email,
        title,
        role_name,
        department,
        brand,
        country,
        manager_user_id,
        manager_name,
        quota_annual,
        is_active
    from users

),

unknown as (

    select
        {{ unknown_key() }} as sales_rep_key,
        cast(null as string) as user_id,
        '(unknown)' as sales_rep_name,
        cast(null as string) as email,
        cast(null as string) as title,
        cast(null as string) as role_name,
        cast(null as string) as department,
        cast(null as string) as brand,
        cast(null as string) as country,
        cast(null as string) as manager_user_id,
        cast(null as string) as manager_name,
        {{ money('null') }} as quota_annual,
        false as is_active

),

final as (

    select * from known
    union all
    select * from unknown

)

select * from final
