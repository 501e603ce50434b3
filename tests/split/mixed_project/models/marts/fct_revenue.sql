select
    product_line,
    date_trunc('month', ordered_at) as month,
    sum(amount) as amount,
    sum(case when product_line = 'Enterprise' then amount end) as enterprise_amount,
    count(*) as orders
from {{ ref('int_orders_enriched') }}
where product_line in ('Alpha', 'Beta', 'Enterprise')
group by product_line, date_trunc('month', ordered_at)
