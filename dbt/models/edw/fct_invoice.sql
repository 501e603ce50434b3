{{ config(**layout(by='invoice_date', cluster=['brand', 'customer_key'])) }}

with invoices as (

    select * from {{ ref('fct_invoice_ods') }}

),

customers as (

    select customer_key, customer_id, geography_key from {{ ref('dim_customer') }}

),

final as (

    select
        invoices.invoice_number,
        invoices.invoice_id,
        invoices.netsuite_invoice_id,
        invoices.account_number,
        invoices.subscription_number,
        {{ fact_date_key('invoices.invoice_date') }} as invoice_date_key,
        {{ customer_keys() }},

        invoices.brand,
        invoices.currency,
        invoices.invoice_status,

        coalesce(invoices.amount, 0) as amount,
        coalesce(invoices.amount_without_tax, 0) as amount_without_tax,
        coalesce(invoices.tax_amount, 0) as tax_amount,
        coalesce(invoices.balance, 0) as balance,
        coalesce(invoices.netsuite_amount, 0) as netsuite_amount,
        coalesce(invoices.netsuite_amount_without_tax, 0) as netsuite_amount_without_tax,
        coalesce(invoices.netsuite_balance, 0) as netsuite_balance,
        invoices.netsuite_difference,
        invoices.netsuite_difference_without_tax,
        invoices.netsuite_balance_difference,

        invoices.is_posted,

        invoices.invoice_date,
        invoices.due_date,
        invoices.service_start_date,
        invoices.service_end_date
    from invoices
    left join customers on invoices.customer_id = customers.customer_id

)

select * from final
