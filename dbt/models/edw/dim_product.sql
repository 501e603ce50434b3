with products as (

    select * from {{ ref('dim_product_ods') }}

),

known as (

    select
        {{ surrogate_key(['product_code']) }} as product_key,
        product_code,
        coalesce(product_name, product_code) as product_name,
        product_family,
        product_category,
        brand,
        list_price,
        effective_start_date,
        effective_end_date
    from products

),

unknown as (

    select
        {{ unknown_key() }} as product_key,
        cast(null as string) as product_code,
        '(unknown)' as product_name,
        cast(null as string) as product_family,
        cast(null as string) as product_category,
        cast(null as string) as brand,
        {{ money('null') }} as list_price,
        cast(null as date) as effective_start_date,
        cast(null as date) as effective_end_date

),

final as (

    select * from known
    union all
    select * from unknown

)

select * from final
