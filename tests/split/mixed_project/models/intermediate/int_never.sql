select order_id
from {{ ref('int_orders_renamed') }}
where product_line = 'Enterprise' and product_line = 'Alpha'
