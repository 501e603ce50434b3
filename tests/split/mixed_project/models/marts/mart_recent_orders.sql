select order_id, product_line, amount
from {{ ref('int_orders_renamed') }}
where product_line <> 'Enterprise' {{ and_recent('ordered_at') }}
