{% set since = var('first_day') %}
select
    account_id,
    {% for brand in ['Alpha', 'Beta', 'Enterprise'] %}
    sum(case when product_line = '{{ brand }}' then amount end) as {{ brand | lower }}_amount,
    {% endfor %}
    count(*) as orders
from {{ ref('int_orders_renamed') }}
where ordered_at >= date '{{ since }}'
group by account_id
