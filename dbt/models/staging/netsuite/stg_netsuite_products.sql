with source as (

    select * from {{ source('netsuite', 'netsuite_products') }}

),

renamed as (

    select
        id as netsuite_product_id,
        external_id,
        _batch_id as batch_id,

        item_id as item_name,
        display_name,
        item_type,
        sub_type,
        brand,
        product_code,
        product_family,

        income_account,
        deferred_revenue_account,
        base_price,

        is_inactive,

        created_date as created_at,
        last_modified_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
