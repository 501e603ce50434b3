with source as (

    select * from {{ source('zuora', 'zuora_payment') }}

),

renamed as (

    select
        id as payment_id,
        payment_number,
        account_id as billing_account_id,
        invoice_id,
        _batch_id as batch_id,

        brand,
        currency,
        type as payment_type,
        status as payment_status,
        payment_method_type,
        gateway,
        gateway_response_code,

        amount,
        applied_amount,
        unapplied_amount,
        refund_amount,
        applied_credit_balance_amount,

        effective_date,

        submitted_on as submitted_at,
        settled_on as settled_at,
        cancelled_on as cancelled_at,
        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
