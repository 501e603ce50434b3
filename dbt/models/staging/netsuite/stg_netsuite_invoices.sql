with source as (

    select * from {{ source('netsuite', 'netsuite_invoices') }}

),

renamed as (

    select
        id as netsuite_invoice_id,
        transaction_number,
        document_number,
        external_id,
        entity as netsuite_customer_id,
        zuora_invoice_number as invoice_number,
        zuora_account_number as account_number,
        subsidiary as subsidiary_id,
        _batch_id as batch_id,

        brand,
        status,
        posting_period,
        currency,

        exchange_rate,
        amount_net as net_amount,
        tax_total as tax_amount,
        total as total_amount,
        amount_paid as paid_amount,
        amount_unpaid as unpaid_amount,

        posting,
        coalesce(is_voided, false) as is_voided,

        transaction_date,
        due_date,
        close_date,

        created_date as created_at,
        last_modified_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
