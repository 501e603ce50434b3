with final as (

    select
        product_id,
        product_code,
        netsuite_item_id,

        product_name,
        product_family,
        product_category,
        brand,

        list_price,

        effective_start_date,
        effective_end_date,
        changed_at
    from {{ ref('stg_zuora_product') }}
    where {{ only_commercial('brand') }}

)

select * from final
