with source as (

    select * from {{ source('zuora', 'zuora_product') }}

),

renamed as (

    select
        id as product_id,
        product_number,
        netsuite_item_id,
        _batch_id as batch_id,

        name as product_name,
        sku as product_code,
        category as product_category,
        family as product_family,
        brand,

        list_price,

        effective_start_date,
        effective_end_date,

        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
