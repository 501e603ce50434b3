{{ config(**layout(by='invoice_date', cluster=['brand', 'account_number'])) }}

with zuora as (

    select * from {{ ref('int_commercial_invoices') }}

),

netsuite as (

    select * from {{ ref('int_commercial_netsuite_invoices') }}

),

matched as (

    select
        coalesce(zuora.invoice_number, netsuite.invoice_number) as invoice_number,
        zuora.invoice_id,
        netsuite.netsuite_invoice_id,
        zuora.account_number,
        zuora.customer_id,
        zuora.subscription_number,

        coalesce(zuora.brand, netsuite.brand) as brand,
        coalesce(zuora.currency, netsuite.currency) as currency,
        coalesce(zuora.invoice_status, 'NetSuite only') as invoice_status,
        coalesce(zuora.invoice_status = 'Posted', false) as is_posted,

        zuora.amount,
        zuora.amount_without_tax,
        zuora.tax_amount,
        zuora.payment_amount,
        zuora.refund_amount,
        zuora.balance,
        netsuite.total_amount as netsuite_amount,
        netsuite.net_amount as netsuite_amount_without_tax,
        netsuite.tax_amount as netsuite_tax_amount,
        netsuite.paid_amount as netsuite_paid_amount,
        netsuite.unpaid_amount as netsuite_balance,
        coalesce(netsuite.netsuite_invoice_count, 0) as netsuite_invoice_count,

        coalesce(zuora.invoice_date, netsuite.transaction_date) as invoice_date,
        netsuite.transaction_date as netsuite_transaction_date,
        zuora.due_date,
        zuora.service_start_date,
        zuora.service_end_date
    from zuora
    full outer join netsuite on zuora.invoice_number = netsuite.invoice_number

),

final as (

    -- only posted invoices belong in NetSuite: for all others its amount is the whole difference
    select
        *,
        {{ money('case when is_posted then amount else 0 end - coalesce(netsuite_amount, 0)') }}
            as netsuite_difference,
        {{ money('case when is_posted then amount_without_tax else 0 end - coalesce(netsuite_amount_without_tax, 0)') }}
            as netsuite_difference_without_tax,
        {{ money('case when is_posted then balance else 0 end - coalesce(netsuite_balance, 0)') }}
            as netsuite_balance_difference
    from matched

)

select * from final
