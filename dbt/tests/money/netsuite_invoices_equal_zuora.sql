-- Every posted invoice is in NetSuite once, to the cent, and NetSuite has no other invoice.
select invoice_number, invoice_status, amount, netsuite_amount, netsuite_invoice_count
from {{ ref('fct_invoice_ods') }}
where netsuite_invoice_count <> case when is_posted then 1 else 0 end
    or netsuite_difference <> 0
    or netsuite_difference_without_tax <> 0
    or netsuite_balance_difference <> 0
    or (is_posted and coalesce(payment_amount, 0) <> coalesce(netsuite_paid_amount, 0))
    or (is_posted and invoice_date <> netsuite_transaction_date)
