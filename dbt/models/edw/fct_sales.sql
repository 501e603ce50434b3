{{ config(**layout(by='close_date', cluster=['brand', 'customer_key', 'sales_rep_key'])) }}

with lines as (

    select * from {{ ref('fct_opportunity_line_ods') }}
    where is_won

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

products as (

    select product_key, product_code from {{ ref('dim_product') }}

),

sales_reps as (

    select sales_rep_key, user_id from {{ ref('dim_sales_rep') }}

),

final as (

    select
        lines.opportunity_line_id,
        lines.opportunity_id,
        {{ fact_date_key('lines.close_date') }} as close_date_key,
        {{ customer_keys() }},
        coalesce(products.product_key, {{ unknown_key() }}) as product_key,
        coalesce(sales_reps.sales_rep_key, {{ unknown_key() }}) as sales_rep_key,

        lines.brand,
        lines.currency,

        lines.quantity,
        lines.unit_price,
        lines.amount as booking_amount,

        lines.is_itemised,
        lines.is_renewal,

        lines.close_date
    from lines
    left join customers on lines.customer_id = customers.customer_id
    left join products on lines.product_code = products.product_code
    left join sales_reps on lines.owner_user_id = sales_reps.user_id

)

select * from final
