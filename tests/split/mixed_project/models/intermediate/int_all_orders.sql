select order_id, account_id, product_line, amount, weight from {{ ref('int_commercial_orders') }}
union all
select order_id, account_id, product_line, amount, weight from {{ ref('int_enterprise_orders') }}
