with orders as (
    select * from {{ ref('int_orders_renamed') }}
),

accounts as (
    select * from {{ ref('stg_accounts') }}
)

select
    orders.order_id,
    orders.account_id,
    orders.product_line,
    accounts.segment,
    accounts.country_code,
    case
        when orders.product_line in ('Enterprise', 'Federal') then 'direct'
        when orders.status = 'web' then 'online'
        else 'shop'
    end as channel,
    orders.amount,
    orders.ordered_at
from orders
left join accounts on accounts.account_id = orders.account_id
where orders.status <> 'void'
