{{ config(**layout(cluster=['customer_key'])) }}

with customers as (

    select * from {{ ref('dim_customer_ods') }}

),

geographies as (

    select * from {{ ref('dim_geography') }}

),

sales_reps as (

    select sales_rep_key, user_id from {{ ref('dim_sales_rep') }}

),

known as (

    select
        {{ surrogate_key(['customers.customer_id']) }} as customer_key,
        customers.customer_id,
        coalesce(geographies.geography_key, {{ unknown_key() }}) as geography_key,
        coalesce(sales_reps.sales_rep_key, {{ unknown_key() }}) as sales_rep_key,

        coalesce(customers.customer_name, '(no name)') as customer_name,
        customers.brands,
        customers.primary_brand,
        customers.customer_status,
        customers.industry,
        customers.ownership,
        customers.billing_city,
        customers.billing_state,
        coalesce(geographies.country, customers.billing_country) as country,
        coalesce(geographies.region, '(unknown)') as region,

        customers.brand_count,
        customers.number_of_employees,
        customers.health_score,
        customers.contact_count,

        customers.customer_since
    from customers
    left join geographies on customers.billing_country_code = geographies.country_code
    left join sales_reps on customers.owner_user_id = sales_reps.user_id

),

unknown as (

    select
        {{ unknown_key() }} as customer_key,
        cast(null as string) as customer_id,
        {{ unknown_key() }} as geography_key,
        {{ unknown_key() }} as sales_rep_key,

        '(unknown)' as customer_name,
        cast(null as string) as brands,
        cast(null as string) as primary_brand,
        cast(null as string) as customer_status,
        cast(null as string) as industry,
        cast(null as string) as ownership,
        cast(null as string) as billing_city,
        cast(null as string) as billing_state,
        '(unknown)' as country,
        '(unknown)' as region,

        0 as brand_count,
        cast(null as int64) as number_of_employees,
        {{ money('null') }} as health_score,
        0 as contact_count,

        cast(null as date) as customer_since

),

final as (

    select * from known
    union all
    select * from unknown

)

select * from final
