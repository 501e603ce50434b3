select 1 as failed
from {{ ref('int_orders_renamed') }} as o
where o.product_line = 'Federal' and o.amount < 0
