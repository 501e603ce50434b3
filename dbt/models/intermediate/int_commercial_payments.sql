with payments as (

    select * from {{ ref('stg_zuora_payment') }}
    where {{ only_commercial('brand') }}

),

billing_accounts as (

    select * from {{ ref('int_commercial_billing_accounts') }}

),

invoices as (

    select invoice_id, invoice_number from {{ ref('int_commercial_invoices') }}

),

final as (

    select
        payments.payment_id,
        payments.payment_number,
        invoices.invoice_number,
        billing_accounts.account_number,
        billing_accounts.customer_id,

        payments.brand,
        payments.currency,
        payments.payment_status,
        payments.payment_type,
        payments.payment_method_type,
        payments.gateway,

        payments.amount,
        payments.refund_amount,

        payments.effective_date,
        payments.changed_at
    from payments
    left join billing_accounts on payments.billing_account_id = billing_accounts.billing_account_id
    left join invoices on payments.invoice_id = invoices.invoice_id

)

select * from final
