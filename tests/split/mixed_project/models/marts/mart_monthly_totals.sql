select date_trunc('month', ordered_at) as month, count(*) as orders, sum(amount) as amount
from {{ ref('int_latest_orders') }}
group by 1
