{{ config(**layout(cluster=['brand', 'customer_key', 'subscription_number'])) }}

with versions as (

    select * from {{ ref('fct_subscription_ods') }}

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

final as (

    select
        versions.subscription_version_id,
        versions.subscription_number,
        versions.account_number,
        versions.opportunity_id,
        {{ fact_date_key('versions.active_from') }} as active_from_date_key,
        {{ fact_date_key('versions.active_to') }} as active_to_date_key,
        {{ customer_keys() }},

        versions.brand,
        versions.currency,
        versions.status,
        versions.change_type,
        versions.cancel_reason,

        versions.version,
        versions.mrr,
        versions.arr,

        versions.is_latest_version,

        versions.active_from,
        versions.active_to,
        versions.term_start_date,
        versions.term_end_date
    from versions
    left join customers on versions.customer_id = customers.customer_id

)

select * from final
