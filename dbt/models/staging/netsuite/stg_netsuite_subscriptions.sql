with source as (

    select * from {{ source('netsuite', 'netsuite_subscriptions') }}

),

renamed as (

    select
        id as netsuite_subscription_id,
        external_id,
        customer as netsuite_customer_id,
        billing_account as netsuite_billing_account_id,
        zuora_subscription_number as subscription_number,
        zuora_account_number as account_number,
        subscription_plan as netsuite_product_id,
        _batch_id as batch_id,

        name as subscription_name,
        brand,
        billing_subscription_status as subscription_status,
        currency,
        initial_term,
        frequency,

        renewal_number,
        monthly_amount,
        annual_amount,

        auto_renewal,

        start_date,
        end_date,

        date_created as created_at,
        last_modified_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
