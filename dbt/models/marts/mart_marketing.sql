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

        {{ ratio('responses', 'members') }} as response_rate,
        {{ ratio('converted_leads', 'leads') }} as conversion_rate,
        {{ ratio('won_opportunities', 'opportunities') }} as win_rate,
        {{ ratio('won_amount - actual_cost', 'actual_cost') }} as return_on_cost
    from campaigns

)

select * from final
