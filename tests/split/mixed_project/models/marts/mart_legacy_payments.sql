select method, sum(amount) as amount from {{ ref('int_payments_daily') }} group by method
