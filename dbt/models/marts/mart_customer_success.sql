{{ config(**layout(by='month_start', cluster=['brand', 'customer_key'])) }}

with usage_days as (

    select
        {{ month_start('usage_date') }} as month_start, account_number, customer_key, brand, currency,
        sum(mailings_sent) as mailings_sent,
        sum(emails_sent) as emails_sent,
        sum(emails_delivered) as emails_delivered,
        sum(opens) as opens,
        sum(clicks) as clicks,
        sum(bounces) as bounces,
        sum(unsubscribes) as unsubscribes,
        sum(complaints) as complaints,
        sum(api_calls) as api_calls,
        sum(overage_amount) as overage_amount,
        count(distinct usage_date) as active_days,
        max(active_contacts) as active_contacts
    from {{ ref('fct_usage') }}
    group by month_start, account_number, customer_key, brand, currency

),

arr as (

    select
        month_start, account_number, customer_key, brand, currency,
        sum(closing_arr) as arr
    from {{ ref('fct_arr_movement') }}
    where closing_arr <> 0
    group by month_start, account_number, customer_key, brand, currency

),

customers as (

    select * from {{ ref('dim_customer') }}

),

grain as (

    select month_start, account_number, customer_key, brand, currency from usage_days
    union distinct
    select month_start, account_number, customer_key, brand, currency from arr

),

final as (

    select
        {{ surrogate_key(['grain.month_start', 'grain.account_number', 'grain.brand', 'grain.currency']) }}
            as customer_success_key,
        grain.month_start,
        grain.account_number,
        grain.customer_key,
        customers.customer_name,
        customers.customer_status,
        customers.industry,
        customers.region,
        grain.brand,
        grain.currency,

        {{ money('coalesce(arr.arr, 0)') }} as arr,
        {{ money('coalesce(usage_days.overage_amount, 0)') }} as overage_amount,

        {% for measure in [
            'mailings_sent', 'emails_sent', 'emails_delivered', 'opens', 'clicks', 'bounces', 'unsubscribes',
            'complaints', 'api_calls', 'active_days'
        ] -%}
        cast(coalesce(usage_days.{{ measure }}, 0) as int64) as {{ measure }},
        {% endfor -%}
        usage_days.active_contacts,

        {{ ratio('usage_days.emails_delivered', 'usage_days.emails_sent') }} as delivery_rate,
        {{ ratio('usage_days.opens', 'usage_days.emails_delivered') }} as open_rate,
        customers.health_score
    from grain
    inner join customers on grain.customer_key = customers.customer_key
    left join usage_days
        on grain.month_start = usage_days.month_start
        and grain.account_number = usage_days.account_number
        and grain.brand = usage_days.brand
        and grain.currency = usage_days.currency
    left join arr
        on grain.month_start = arr.month_start
        and grain.account_number = arr.account_number
        and grain.brand = arr.brand
        and grain.currency = arr.currency

)

select * from final
