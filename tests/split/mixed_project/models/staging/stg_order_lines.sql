select
    order_id,
    line_no,
    product_code,
    quantity,
    price,
    quantity * price as line_amount
from {{ source('erp', 'order_lines') }}
