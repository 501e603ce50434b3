with source as (

    select * from {{ source('zuora', 'zuora_invoice') }}

),

renamed as (

    select
        id as invoice_id,
        invoice_number,
        account_id as billing_account_id,
        subscription_number,
        _batch_id as batch_id,

        brand,
        currency,
        status as invoice_status,

        amount,
        amount_without_tax,
        tax_amount,
        tax_exempt_amount,
        payment_amount,
        adjustment_amount,
        refund_amount,
        balance,

        invoice_date,
        target_date,
        due_date,
        service_start_date,
        service_end_date,

        posted_date as posted_at,
        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
