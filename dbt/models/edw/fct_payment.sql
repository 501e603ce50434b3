{{ config(**layout(by='effective_date', cluster=['brand', 'customer_key'])) }}

with payments as (

    select * from {{ ref('fct_payment_ods') }}

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

final as (

    select
        payments.payment_number,
        payments.payment_id,
        payments.netsuite_payment_id,
        payments.invoice_number,
        payments.account_number,
        {{ fact_date_key('payments.effective_date') }} as effective_date_key,
        {{ customer_keys() }},

        payments.brand,
        payments.currency,
        payments.payment_status,
        payments.payment_method_type,

        coalesce(payments.amount, 0) as amount,
        payments.refund_amount,
        coalesce(payments.amount, 0) - payments.refund_amount as net_amount,
        coalesce(payments.netsuite_amount, 0) as netsuite_amount,
        payments.netsuite_difference,

        payments.is_processed,

        payments.effective_date
    from payments
    left join customers on payments.customer_id = customers.customer_id

)

select * from final
