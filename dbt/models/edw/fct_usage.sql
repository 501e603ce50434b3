{{ config(**layout(by='usage_date', cluster=['brand', 'customer_key', 'account_number'])) }}

with usage_days as (

    select * from {{ ref('fct_usage_ods') }}

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

final as (

    select
        {{ surrogate_key(['usage_days.usage_date', 'usage_days.account_number', 'usage_days.platform']) }} as usage_key,
        {{ fact_date_key('usage_days.usage_date') }} as usage_date_key,
        {{ customer_keys() }},
        usage_days.account_number,

        usage_days.platform,
        usage_days.brand,
        usage_days.plan_name,
        usage_days.currency,

        usage_days.mailings_sent,
        usage_days.emails_sent,
        usage_days.emails_delivered,
        usage_days.opens,
        usage_days.clicks,
        usage_days.bounces,
        usage_days.unsubscribes,
        usage_days.complaints,
        usage_days.active_contacts,
        usage_days.api_calls,
        usage_days.storage_mb,
        usage_days.overage_amount,

        usage_days.usage_date
    from usage_days
    left join customers on usage_days.customer_id = customers.customer_id

)

select * from final
