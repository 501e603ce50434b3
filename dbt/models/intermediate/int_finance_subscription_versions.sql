with subscriptions as (

    select * from {{ ref('int_commercial_subscriptions') }}

),

rate_plans as (

    select
        subscription_version_id,
        count(*) as rate_plan_count,
        sum(mrr) as rate_plan_mrr
    from {{ ref('stg_zuora_rate_plan') }}
    group by subscription_version_id

),

windowed as (

    -- a version holds until the next one is booked; of two booked on one day the later holds
    select
        *,
        lead(last_booking_date) over (
            partition by subscription_number order by version nulls first, subscription_version_id nulls first
        ) as next_booking_date
    from subscriptions

),

final as (

    select
        windowed.*,
        {{ greatest_known('windowed.last_booking_date', 'windowed.contract_effective_date') }} as active_from,
        {{ least_known('windowed.next_booking_date', 'windowed.cancelled_date') }} as active_to,
        coalesce(rate_plans.rate_plan_count, 0) as rate_plan_count,
        {{ money('coalesce(rate_plans.rate_plan_mrr, 0)') }} as rate_plan_mrr
    from windowed
    left join rate_plans on windowed.subscription_version_id = rate_plans.subscription_version_id

)

select * from final
