{{ config(**layout(by='usage_date', cluster=['account_number', 'platform'])) }}

with usage_days as (

    select * from {{ ref('int_commercial_usage') }}

),

billing_accounts as (

    select account_number, customer_id, currency from {{ ref('int_commercial_billing_accounts') }}

),

final as (

    select
        usage_days.usage_date,
        usage_days.account_number,
        usage_days.platform,
        billing_accounts.customer_id,

        usage_days.brand,
        usage_days.plan_name,
        coalesce(billing_accounts.currency, '(none)') as currency,

        coalesce(usage_days.mailings_sent, 0) as mailings_sent,
        coalesce(usage_days.emails_sent, 0) as emails_sent,
        coalesce(usage_days.emails_delivered, 0) as emails_delivered,
        coalesce(usage_days.opens, 0) as opens,
        coalesce(usage_days.clicks, 0) as clicks,
        coalesce(usage_days.bounces, 0) as bounces,
        coalesce(usage_days.unsubscribes, 0) as unsubscribes,
        coalesce(usage_days.complaints, 0) as complaints,
        usage_days.active_contacts,
        coalesce(usage_days.api_calls, 0) as api_calls,
        usage_days.storage_mb,
        {{ money('coalesce(usage_days.overage_amount, 0)') }} as overage_amount,

        usage_days.last_event_at
    from usage_days
    left join billing_accounts on usage_days.account_number = billing_accounts.account_number

)

select * from final
