select o.order_id, o.net_amount
from {{ ref('fct_orders') }} as o
inner join {{ ref('dim_brand') }} as b on b.brand_key = o.product_line
where b.segment = 'Commercial'
