with billing_accounts as (

    select * from {{ ref('stg_zuora_account') }}
    where {{ only_commercial('brand') }}

),

customers as (

    select account_id, customer_id from {{ ref('int_customer_survivors') }}

),

final as (

    select
        billing_accounts.billing_account_id,
        billing_accounts.account_number,
        customers.customer_id,

        billing_accounts.billing_account_name,
        billing_accounts.brand,
        billing_accounts.currency,
        billing_accounts.account_status,
        billing_accounts.payment_term,

        billing_accounts.created_at,
        billing_accounts.changed_at
    from billing_accounts
    left join customers on billing_accounts.account_id = customers.account_id

)

select * from final
