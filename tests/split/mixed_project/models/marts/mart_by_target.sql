select
    order_id,
    {% if target.type == 'bigquery' %}
    case when product_line = 'Enterprise' then 1 else 0 end as is_direct
    {% else %}
    product_line is null as is_direct
    {% endif %}
from {{ ref('int_orders_renamed') }}
