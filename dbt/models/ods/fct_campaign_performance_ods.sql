with campaigns as (

    select * from {{ ref('int_commercial_campaigns') }}

),

members as (

    select
        campaign_id,
        count(*) as members,
        count(case when has_responded then 1 end) as responses
    from {{ ref('int_commercial_campaign_members') }}
    group by campaign_id

),

leads as (

    select
        campaign_id,
        count(*) as leads,
        count(case when is_converted then 1 end) as converted_leads
    from {{ ref('int_commercial_leads') }}
    group by campaign_id

),

final as (

    select
        campaigns.campaign_id,
        campaigns.owner_user_id,

        campaigns.campaign_name,
        campaigns.brand,
        campaigns.campaign_type,
        campaigns.campaign_status,
        coalesce(campaigns.currency, '(none)') as currency,

        {{ money('coalesce(campaigns.budgeted_cost, 0)') }} as budgeted_cost,
        {{ money('coalesce(campaigns.actual_cost, 0)') }} as actual_cost,
        cast(coalesce(campaigns.number_sent, 0) as int64) as sent,
        coalesce(members.members, 0) as members,
        coalesce(members.responses, 0) as responses,
        coalesce(leads.leads, 0) as leads,
        coalesce(leads.converted_leads, 0) as converted_leads,

        campaigns.is_active,
        campaigns.start_date,
        campaigns.end_date,
        campaigns.changed_at
    from campaigns
    left join members on campaigns.campaign_id = members.campaign_id
    left join leads on campaigns.campaign_id = leads.campaign_id

)

select * from final
