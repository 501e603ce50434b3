with sales as (

    select
        {{ month_start('close_date') }} as month_start, sales_rep_key, brand, currency,
        sum(booking_amount) as bookings,
        sum(case when is_renewal then booking_amount else 0 end) as renewal_bookings,
        sum(case when is_renewal then 0 else booking_amount end) as new_bookings,
        count(distinct opportunity_id) as won_deals
    from {{ ref('fct_sales') }}
    group by month_start, sales_rep_key, brand, currency

),

pipeline as (

    select
        {{ month_start('expected_close_date') }} as month_start, sales_rep_key, brand, currency,
        sum(open_amount) as open_pipeline,
        sum(weighted_amount) as weighted_pipeline,
        count(*) as open_deals
    from {{ ref('fct_pipeline') }}
    group by month_start, sales_rep_key, brand, currency

),

grain as (

    select month_start, sales_rep_key, brand, currency from sales
    union distinct
    select month_start, sales_rep_key, brand, currency from pipeline

),

sales_reps as (

    select * from {{ ref('dim_sales_rep') }}

),

final as (

    select
        {{ surrogate_key(['grain.month_start', 'grain.sales_rep_key', 'grain.brand', 'grain.currency']) }} as sales_key,
        grain.month_start,
        grain.sales_rep_key,
        sales_reps.sales_rep_name,
        sales_reps.manager_name,
        grain.brand,
        grain.currency,

        {% for source, measure in [
            ('sales', 'bookings'), ('sales', 'new_bookings'), ('sales', 'renewal_bookings'),
            ('pipeline', 'open_pipeline'), ('pipeline', 'weighted_pipeline'),
        ] -%}
        {{ money('coalesce(' ~ source ~ '.' ~ measure ~ ', 0)') }} as {{ measure }},
        {% endfor -%}
        coalesce(sales.won_deals, 0) as won_deals,
        coalesce(pipeline.open_deals, 0) as open_deals
    from grain
    inner join sales_reps on grain.sales_rep_key = sales_reps.sales_rep_key
    {% for source in ['sales', 'pipeline'] -%}
    left join {{ source }}
        on grain.month_start = {{ source }}.month_start
        and grain.sales_rep_key = {{ source }}.sales_rep_key
        and grain.brand = {{ source }}.brand
        and grain.currency = {{ source }}.currency
    {% endfor %}
)

select * from final
