select
    order_id,
    {{ segment_of('product_line') }} as segment,
    amount
from {{ ref('int_orders_renamed') }}
