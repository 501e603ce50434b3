select order_id, account_id, product_line, amount, 1 as weight
from {{ ref('int_orders_renamed') }}
where product_line in ('Alpha', 'Beta')
