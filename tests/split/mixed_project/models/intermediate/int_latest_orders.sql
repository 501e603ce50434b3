select order_id, account_id, product_line, amount, ordered_at
from {{ ref('int_orders_renamed') }}
qualify row_number() over (partition by account_id order by ordered_at desc, order_id) = 1
