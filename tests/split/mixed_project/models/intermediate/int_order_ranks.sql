select
    order_id,
    product_line,
    rank() over (
        partition by account_id
        order by case when product_line = 'Enterprise' then 0 else 1 end, amount desc, order_id
    ) as place
from {{ ref('int_orders_renamed') }}
where product_line <> 'Federal' or product_line is null
