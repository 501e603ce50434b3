{{ config(**layout(by='month_start', cluster=['brand', 'customer_key', 'subscription_number'])) }}

with versions as (

    select * from {{ ref('fct_subscription') }}

),

as_of as (

    select as_of_date from {{ ref('dim_source') }} where source_name = 'zuora'

),

months as (

    -- a month is measured on its last day, the month the data reaches into on the as-of date
    select
        days.month_start,
        {{ next_month('days.month_start') }} as next_month_start,
        least(days.month_end, as_of.as_of_date) as measured_on,
        as_of.as_of_date
    from {{ ref('dim_date') }} as days
    cross join as_of
    where days.date_day = days.month_start and days.month_start <= as_of.as_of_date

),

measured as (

    select
        months.month_start,
        months.next_month_start,
        months.as_of_date,
        versions.subscription_number,
        coalesce(versions.account_number, '(unknown)') as account_number,
        versions.customer_key,
        versions.geography_key,
        versions.brand,
        versions.currency,
        versions.arr
    from versions
    inner join months
        on versions.active_from <= months.measured_on
        and (versions.active_to is null or versions.active_to > months.measured_on)

),

balances as (

    -- what one month closes with, the next one opens with
    select
        month_start, subscription_number, account_number, customer_key, geography_key, brand, currency,
        {{ money('0') }} as opening_arr,
        arr as closing_arr
    from measured
    union all
    select
        next_month_start, subscription_number, account_number, customer_key, geography_key, brand, currency,
        arr as opening_arr,
        {{ money('0') }} as closing_arr
    from measured
    where next_month_start <= as_of_date

),

monthly as (

    select
        month_start, subscription_number, account_number, customer_key, geography_key, brand, currency,
        sum(opening_arr) as opening_arr,
        sum(closing_arr) as closing_arr
    from balances
    group by month_start, subscription_number, account_number, customer_key, geography_key, brand, currency

),

final as (

    select
        {{ surrogate_key(['subscription_number', 'account_number', 'month_start']) }} as arr_movement_key,
        {{ fact_date_key('month_start') }} as month_date_key,
        month_start,
        subscription_number,
        account_number,
        customer_key,
        geography_key,
        brand,
        currency,
        {{ money('opening_arr') }} as opening_arr,
        {{ money('case when opening_arr = 0 then closing_arr else 0 end') }} as new_arr,
        {{ money('case when opening_arr > 0 and closing_arr > opening_arr then closing_arr - opening_arr else 0 end') }}
            as expansion_arr,
        {{ money('case when closing_arr > 0 and closing_arr < opening_arr then opening_arr - closing_arr else 0 end') }}
            as contraction_arr,
        {{ money('case when closing_arr = 0 then opening_arr else 0 end') }} as lost_arr,
        {{ money('closing_arr') }} as closing_arr
    from monthly

)

select * from final
