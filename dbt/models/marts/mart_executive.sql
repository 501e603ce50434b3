with as_of as (

    -- the mart is as old as the source that reaches least far
    select min(as_of_date) as as_of_date from {{ ref('dim_source') }}
    where source_name in ('salesforce', 'zuora')

),

arr as (

    select
        month_start, brand, currency,
        sum(closing_arr) as arr,
        sum(new_arr) as new_arr,
        sum(expansion_arr) as expansion_arr,
        sum(contraction_arr) as contraction_arr,
        sum(lost_arr) as lost_arr,
        -- a customer whom Salesforce does not know counts by its billing account
        count(distinct case
            when closing_arr = 0 then null
            when customer_key = {{ unknown_key() }} then account_number
            else customer_key
        end) as active_customers
    from {{ ref('fct_arr_movement') }}
    group by month_start, brand, currency

),

bookings as (

    select
        {{ month_start('close_date') }} as month_start, brand, currency,
        sum(booking_amount) as bookings,
        count(distinct opportunity_id) as won_deals
    from {{ ref('fct_sales') }}
    group by month_start, brand, currency

),

invoiced as (

    select
        {{ month_start('invoice_date') }} as month_start, brand, currency,
        sum(amount) as invoiced,
        sum(amount_without_tax) as invoiced_net
    from {{ ref('fct_invoice') }}
    where is_posted
    group by month_start, brand, currency

),

collected as (

    select
        {{ month_start('effective_date') }} as month_start, brand, currency,
        sum(net_amount) as collected
    from {{ ref('fct_payment') }}
    where is_processed
    group by month_start, brand, currency

),

pipeline as (

    -- no history of open deals is kept: they show in the month the data reaches into
    select
        {{ month_start('as_of_date') }} as month_start, brand, currency,
        sum(open_amount) as open_pipeline,
        sum(weighted_amount) as weighted_pipeline
    from {{ ref('fct_pipeline') }}
    group by month_start, brand, currency

),

grain as (

    select month_start, brand, currency from arr
    union distinct
    select month_start, brand, currency from bookings
    union distinct
    select month_start, brand, currency from invoiced
    union distinct
    select month_start, brand, currency from collected
    union distinct
    select month_start, brand, currency from pipeline

),

final as (

    select
        {{ surrogate_key(['grain.month_start', 'grain.brand', 'grain.currency']) }} as executive_key,
        grain.month_start,
        grain.brand,
        grain.currency,
        as_of.as_of_date,
        coalesce(grain.month_start = {{ month_start('as_of.as_of_date') }}, false) as is_as_of_month,

        {% for source, measure in [
            ('arr', 'arr'), ('arr', 'new_arr'), ('arr', 'expansion_arr'), ('arr', 'contraction_arr'),
            ('arr', 'lost_arr'), ('bookings', 'bookings'), ('invoiced', 'invoiced'), ('invoiced', 'invoiced_net'),
            ('collected', 'collected'),
        ] -%}
        {{ money('coalesce(' ~ source ~ '.' ~ measure ~ ', 0)') }} as {{ measure }},
        {% endfor -%}
        {{ money('pipeline.open_pipeline') }} as open_pipeline,
        {{ money('pipeline.weighted_pipeline') }} as weighted_pipeline,

        coalesce(bookings.won_deals, 0) as won_deals,
        coalesce(arr.active_customers, 0) as active_customers
    from grain
    cross join as_of
    {% for source in ['arr', 'bookings', 'invoiced', 'collected', 'pipeline'] -%}
    left join {{ source }}
        on grain.month_start = {{ source }}.month_start
        and grain.brand = {{ source }}.brand
        and grain.currency = {{ source }}.currency
    {% endfor %}
)

select * from final
