{{ config(**layout(cluster=['brand', 'subscription_number'])) }}

with versions as (

    select * from {{ ref('int_finance_subscription_versions') }}

),

final as (

    select
        subscription_version_id,
        subscription_number,
        account_number,
        customer_id,
        opportunity_id,

        brand,
        currency,
        status,
        change_type,
        cancel_reason,
        term_type,

        version,
        current_term,
        rate_plan_count,
        rate_plan_mrr,
        {{ money('coalesce(mrr, 0)') }} as mrr,
        {{ money('coalesce(mrr, 0) * 12') }} as arr,
        arr as source_arr,

        is_latest_version,
        auto_renew,

        active_from,
        active_to,
        contract_effective_date,
        last_booking_date,
        cancelled_date,
        term_start_date,
        term_end_date,
        changed_at
    from versions

)

select * from final
