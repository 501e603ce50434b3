with source as (

    select * from {{ source('zuora', 'zuora_subscription') }}

),

renamed as (

    select
        id as subscription_version_id,
        name as subscription_number,
        account_id as billing_account_id,
        original_id as original_version_id,
        previous_subscription_id as previous_version_id,
        opportunity_id,
        _batch_id as batch_id,

        brand,
        status,
        term_type,
        initial_term_period_type,
        cancel_reason,
        currency,
        change_type,

        version,
        initial_term,
        current_term,
        renewal_term,
        mrr,
        arr,

        coalesce(is_latest_version, false) as is_latest_version,
        coalesce(auto_renew, false) as auto_renew,

        contract_effective_date,
        subscription_start_date,
        subscription_end_date,
        term_start_date,
        term_end_date,
        last_booking_date,
        cancelled_date,

        original_created_date,
        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
