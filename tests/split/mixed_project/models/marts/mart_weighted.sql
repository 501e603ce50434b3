select product_line, sum(amount * weight) as weighted, max(weight) as most
from {{ ref('int_all_orders') }}
group by product_line
