with products as (

    select * from {{ ref('int_commercial_products') }}

),

ranked as (

    -- a product code that was used for several products means the one that was changed last
    select
        *,
        row_number() over (partition by product_code order by changed_at desc nulls last, product_id asc) as recency
    from products
    where product_code is not null

),

final as (

    select
        product_code,
        product_id,
        netsuite_item_id,

        product_name,
        product_family,
        product_category,
        brand,

        list_price,

        effective_start_date,
        effective_end_date,
        changed_at
    from ranked
    where recency = 1

)

select * from final
