with subscriptions as (

    select * from {{ ref('stg_zuora_subscription') }}
    where {{ only_commercial('brand') }}

),

billing_accounts as (

    select * from {{ ref('int_commercial_billing_accounts') }}

),

opportunities as (

    select opportunity_id from {{ ref('int_commercial_opportunities') }}

),

final as (

    select
        subscriptions.subscription_version_id,
        subscriptions.subscription_number,
        billing_accounts.account_number,
        billing_accounts.customer_id,
        opportunities.opportunity_id,

        subscriptions.brand,
        subscriptions.currency,
        subscriptions.status,
        subscriptions.change_type,
        subscriptions.cancel_reason,
        subscriptions.term_type,

        subscriptions.version,
        subscriptions.current_term,
        subscriptions.mrr,
        subscriptions.arr,

        subscriptions.is_latest_version,
        subscriptions.auto_renew,

        subscriptions.contract_effective_date,
        subscriptions.last_booking_date,
        subscriptions.cancelled_date,
        subscriptions.term_start_date,
        subscriptions.term_end_date,
        subscriptions.created_at,
        subscriptions.changed_at
    from subscriptions
    left join billing_accounts on subscriptions.billing_account_id = billing_accounts.billing_account_id
    left join opportunities on subscriptions.opportunity_id = opportunities.opportunity_id

)

select * from final
