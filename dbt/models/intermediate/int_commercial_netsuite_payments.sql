with payments as (

    -- a voided payment stays in NetSuite with its amounts, but no longer counts
    select *, coalesce(payment_number, document_number) as known_number
    from {{ ref('stg_netsuite_payments') }}
    where {{ only_commercial('brand') }} and not is_voided

),

final as (

    -- one Zuora payment mirrored twice shows as a difference, not as a second row
    select
        known_number as payment_number,
        min(netsuite_payment_id) as netsuite_payment_id,
        count(*) as netsuite_payment_count,
        min(brand) as brand,
        min(currency) as currency,
        min(transaction_date) as transaction_date,
        sum(total_amount) as total_amount
    from payments
    group by known_number

)

select * from final
