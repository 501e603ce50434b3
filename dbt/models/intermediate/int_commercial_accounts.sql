with accounts as (

    select * from {{ ref('stg_sfdc_account') }}

),

account_brands as (

    select
        account_id,
        count(*) as brand_count,
        min(brand) as first_brand,
        {{ joined_list('brand') }} as brands
    from {{ ref('int_commercial_account_brands') }}
    group by account_id

),

users as (

    select user_id from {{ ref('int_commercial_users') }}

),

final as (

    select
        accounts.account_id,
        accounts.account_number,
        users.user_id as owner_user_id,

        accounts.account_name,
        account_brands.brands,
        case
            when {{ only_commercial('accounts.primary_brand') }} then accounts.primary_brand
            else account_brands.first_brand
        end as primary_brand,
        accounts.account_type,
        accounts.customer_status,
        accounts.industry,
        accounts.ownership,
        accounts.rating,
        accounts.account_source,
        accounts.website,
        accounts.billing_city,
        accounts.billing_state,
        accounts.billing_postal_code,
        accounts.billing_country,
        accounts.billing_country_code,
        accounts.currency,

        account_brands.brand_count,
        accounts.annual_revenue,
        accounts.number_of_employees,
        accounts.health_score,

        accounts.customer_since,
        accounts.created_at,
        accounts.changed_at
    from accounts
    inner join account_brands on accounts.account_id = account_brands.account_id
    left join users on accounts.owner_user_id = users.user_id

)

select * from final
