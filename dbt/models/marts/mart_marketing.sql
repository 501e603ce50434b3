with campaigns as (

    select * from {{ ref('fct_campaign_performance') }}

),

final as (

    select
        campaign_performance_key as marketing_key,
        campaign_id,
        campaign_name,
        brand,
        campaign_type,
        campaign_status,
        currency,
        is_campaign_currency,
        {{ month_start('start_date') }} as start_month,

        budgeted_cost,
        actual_cost,
        opportunity_amount,
        won_amount,

        sent,
        members,
        responses,
        leads,
        converted_leads,
        opportunities,
        won_opportunities,

        {{ safe_divide('responses', 'members') }} as response_rate,
        {{ safe_divide('converted_leads', 'leads') }} as conversion_rate,
        {{ safe_divide('won_opportunities', 'opportunities') }} as win_rate,
        case when is_campaign_currency then {{ safe_divide('won_amount - actual_cost', 'actual_cost') }} end
            as return_on_cost
    from campaigns

)

select * from final
