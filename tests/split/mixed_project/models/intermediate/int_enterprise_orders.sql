select order_id, account_id, product_line, amount, 0.5 as weight
from {{ ref('int_orders_renamed') }}
where product_line = 'Enterprise'
