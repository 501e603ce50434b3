-- Every Commercial product has its NetSuite item, and both sides name the other.
select zuora.product_code, zuora.netsuite_item_id, netsuite.netsuite_product_id, netsuite.brand
from {{ ref('dim_product_ods') }} as zuora
left join {{ ref('stg_netsuite_products') }} as netsuite on zuora.product_code = netsuite.product_code
where netsuite.netsuite_product_id is null
    or coalesce(zuora.netsuite_item_id, '') <> cast(netsuite.netsuite_product_id as string)
    or zuora.brand <> coalesce(netsuite.brand, '')
