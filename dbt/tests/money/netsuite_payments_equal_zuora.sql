-- Every processed payment is in NetSuite once, to the cent, and NetSuite has no other payment.
select payment_number, payment_status, amount, netsuite_amount, netsuite_payment_count
from {{ ref('fct_payment_ods') }}
where netsuite_payment_count <> case when is_processed then 1 else 0 end
    or netsuite_difference <> 0
    or (is_processed and effective_date <> netsuite_transaction_date)
