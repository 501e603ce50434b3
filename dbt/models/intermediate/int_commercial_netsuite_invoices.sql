with invoices as (

    -- a voided invoice stays in NetSuite with its amounts, but no longer counts
    select *, coalesce(invoice_number, document_number) as known_number
    from {{ ref('stg_netsuite_invoices') }}
    where {{ only_commercial('brand') }} and not is_voided

),

final as (

    -- one Zuora invoice mirrored twice shows as a difference, not as a second row
    select
        known_number as invoice_number,
        min(netsuite_invoice_id) as netsuite_invoice_id,
        count(*) as netsuite_invoice_count,
        min(brand) as brand,
        min(currency) as currency,
        min(transaction_date) as transaction_date,
        sum(total_amount) as total_amount,
        sum(net_amount) as net_amount,
        sum(tax_amount) as tax_amount,
        sum(paid_amount) as paid_amount,
        sum(unpaid_amount) as unpaid_amount
    from invoices
    group by known_number

)

select * from final
