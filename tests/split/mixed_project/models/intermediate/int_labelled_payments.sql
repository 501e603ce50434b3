select p.payment_id, p.amount, l.label
from {{ ref('stg_payments') }} as p
inner join {{ ref('int_brand_label') }} as l on l.order_id = p.order_id
