{{ config(materialized='incremental', unique_key='order_id') }}

with orders as (
    select * from {{ ref('int_orders_renamed') }}
    {% if is_incremental() %}
    where updated_at > (select max(updated_at) from {{ this }})
    {% endif %}
)

select
    o.order_id,
    o.account_id,
    o.product_line,
    b.segment,
    case when b.segment = 'Enterprise' then o.amount * 0.9 else o.amount end as net_amount,
    o.updated_at
from orders as o
inner join {{ ref('dim_brand') }} as b on b.brand_key = o.product_line
