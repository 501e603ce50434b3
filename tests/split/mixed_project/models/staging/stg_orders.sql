-- One row per order.
with source as (
    select * from {{ source('erp', 'orders') }}
)

select
    order_id,
    account_id,
    business_unit as bu,
    amount,
    status,
    note,
    ordered_at,
    updated_at
from source
