select payment_id, order_id, lower(method) as method, paid_at, amount
from {{ source('erp', 'payments') }}
where amount <> 0
