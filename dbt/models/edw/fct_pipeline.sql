with opportunities as (

    select * from {{ ref('fct_opportunity_ods') }}
    where is_open

),

as_of as (

    select max(as_of_date) as as_of_date from {{ ref('dim_source') }} where source_name = 'salesforce'

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

sales_reps as (

    select sales_rep_key, user_id from {{ ref('dim_sales_rep') }}

),

final as (

    select
        opportunities.opportunity_id,
        {{ fact_date_key('opportunities.close_date') }} as expected_close_date_key,
        {{ customer_keys() }},
        coalesce(sales_reps.sales_rep_key, {{ unknown_key() }}) as sales_rep_key,

        opportunities.opportunity_name,
        opportunities.brand,
        opportunities.currency,
        opportunities.opportunity_type,
        opportunities.stage_name,
        opportunities.forecast_category_name,

        opportunities.amount as open_amount,
        coalesce(opportunities.probability, 0) as probability,
        {{ cents("opportunities.amount * coalesce(opportunities.probability, 0) * " ~ money("'0.01'")) }}
            as weighted_amount,
        {{ days_between('opportunities.created_date', 'as_of.as_of_date') }} as age_days,

        coalesce(opportunities.close_date < as_of.as_of_date, false) as is_overdue,

        opportunities.created_date,
        opportunities.close_date as expected_close_date,
        as_of.as_of_date
    from opportunities
    cross join as_of
    left join customers on opportunities.customer_id = customers.customer_id
    left join sales_reps on opportunities.owner_user_id = sales_reps.user_id

)

select * from final
