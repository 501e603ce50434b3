{{ config(materialized='ephemeral') }}

select
    order_id,
    case when product_line = 'Enterprise' then 'E' else 'C' end as label
from {{ ref('int_orders_renamed') }}
