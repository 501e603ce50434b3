with source as (

    select * from {{ source('zuora', 'zuora_account') }}

),

renamed as (

    select
        id as billing_account_id,
        account_number,
        crm_id as account_id,
        parent_id as parent_billing_account_id,
        _batch_id as batch_id,

        name as billing_account_name,
        brand,
        sales_rep_name,
        currency,
        status as account_status,
        payment_term,

        bill_cycle_day,
        balance,
        total_invoice_balance,
        credit_balance,
        mrr,

        auto_pay,

        last_invoice_date,

        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
