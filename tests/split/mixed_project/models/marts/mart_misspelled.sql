select order_id, amount
from {{ ref('int_orders_renamed') }}
where product_line in ('alpha', 'Gamma')
