with source as (

    select * from {{ source('netsuite', 'netsuite_payments') }}

),

renamed as (

    select
        id as netsuite_payment_id,
        transaction_number,
        document_number,
        external_id,
        entity as netsuite_customer_id,
        zuora_payment_number as payment_number,
        zuora_account_number as account_number,
        applied_invoice_id as applied_netsuite_invoice_id,
        subsidiary as subsidiary_id,
        _batch_id as batch_id,

        brand,
        status,
        posting_period,
        currency,
        payment_method,

        exchange_rate,
        total as total_amount,

        posting,
        coalesce(is_voided, false) as is_voided,

        transaction_date,

        created_date as created_at,
        last_modified_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
