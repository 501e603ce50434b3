select avg(case when product_line = 'Enterprise' then 1 else 0 end) from {{ ref('int_orders_renamed') }}
