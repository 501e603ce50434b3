with invoices as (

    select * from {{ ref('stg_zuora_invoice') }}
    where {{ only_commercial('brand') }}

),

billing_accounts as (

    select * from {{ ref('int_commercial_billing_accounts') }}

),

final as (

    select
        invoices.invoice_id,
        invoices.invoice_number,
        billing_accounts.account_number,
        billing_accounts.customer_id,
        invoices.subscription_number,

        invoices.brand,
        invoices.currency,
        invoices.invoice_status,

        invoices.amount,
        invoices.amount_without_tax,
        invoices.tax_amount,
        invoices.payment_amount,
        invoices.refund_amount,
        invoices.balance,

        invoices.invoice_date,
        invoices.due_date,
        invoices.service_start_date,
        invoices.service_end_date,
        invoices.changed_at
    from invoices
    left join billing_accounts on invoices.billing_account_id = billing_accounts.billing_account_id

)

select * from final
