select
    order_id,
    product_line,
    case when product_line = 'Enterprise' then note end as enterprise_note,
    amount
from {{ ref('int_orders_renamed') }}
