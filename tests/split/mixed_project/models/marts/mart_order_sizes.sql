select
    product_line,
    count(*) filter (where amount > 100) as large,
    count(*) as orders
from {{ ref('int_order_notes') }}
group by product_line
