{{ config(materialized='table') }}

select
    o.order_id,
    o.account_id,
    o.bu as product_line,
    o.amount,
    o.status,
    o.note,
    o.ordered_at,
    o.updated_at
from {{ ref('stg_orders') }} as o
