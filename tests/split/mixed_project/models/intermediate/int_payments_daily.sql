select paid_at, method, count(*) as payments, sum(amount) as amount
from {{ ref('stg_payments') }}
group by paid_at, method
