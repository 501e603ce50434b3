{{ config(**layout(by='effective_date', cluster=['brand', 'account_number'])) }}

with zuora as (

    select * from {{ ref('int_commercial_payments') }}

),

netsuite as (

    select * from {{ ref('int_commercial_netsuite_payments') }}

),

matched as (

    select
        coalesce(zuora.payment_number, netsuite.payment_number) as payment_number,
        zuora.payment_id,
        netsuite.netsuite_payment_id,
        zuora.invoice_number,
        zuora.account_number,
        zuora.customer_id,

        coalesce(zuora.brand, netsuite.brand) as brand,
        coalesce(zuora.currency, netsuite.currency) as currency,
        coalesce(zuora.payment_status, 'NetSuite only') as payment_status,
        zuora.payment_type,
        zuora.payment_method_type,
        zuora.gateway,
        coalesce(zuora.payment_status = 'Processed', false) as is_processed,

        zuora.amount,
        {{ money('coalesce(zuora.refund_amount, 0)') }} as refund_amount,
        netsuite.total_amount as netsuite_amount,
        coalesce(netsuite.netsuite_payment_count, 0) as netsuite_payment_count,

        coalesce(zuora.effective_date, netsuite.transaction_date) as effective_date,
        netsuite.transaction_date as netsuite_transaction_date
    from zuora
    full outer join netsuite on zuora.payment_number = netsuite.payment_number

),

final as (

    -- NetSuite books the payment before refunds
    select
        *,
        {{ money('case when is_processed then amount else 0 end - coalesce(netsuite_amount, 0)') }}
            as netsuite_difference
    from matched

)

select * from final
