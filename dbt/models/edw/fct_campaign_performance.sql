with campaigns as (

    select * from {{ ref('fct_campaign_performance_ods') }}

),

sales_reps as (

    select sales_rep_key, user_id from {{ ref('dim_sales_rep') }}

),

opportunities as (

    select
        campaign_id,
        currency,
        count(*) as opportunities,
        count(case when is_won then 1 end) as won_opportunities,
        sum(amount) as opportunity_amount,
        sum(case when is_won then amount else 0 end) as won_amount
    from {{ ref('fct_opportunity_ods') }}
    where campaign_id is not null
    group by campaign_id, currency

),

campaign_currencies as (

    -- a campaign's own currency comes first; its deals may add others, and money is never added across them
    select campaign_id, currency from campaigns
    union distinct
    select campaign_id, currency from opportunities

),

final as (

    -- costs and counts of people stand in the campaign's own currency row only, so that every column can be summed
    select
        {{ surrogate_key(['campaigns.campaign_id', 'campaign_currencies.currency']) }} as campaign_performance_key,
        campaigns.campaign_id,
        {{ fact_date_key('campaigns.start_date') }} as start_date_key,
        coalesce(sales_reps.sales_rep_key, {{ unknown_key() }}) as sales_rep_key,

        campaigns.campaign_name,
        campaigns.brand,
        campaigns.campaign_type,
        campaigns.campaign_status,
        campaign_currencies.currency,
        campaign_currencies.currency = campaigns.currency as is_campaign_currency,

        {% for measure in [
            'budgeted_cost', 'actual_cost', 'sent', 'members', 'responses', 'leads', 'converted_leads'
        ] -%}
        case when campaign_currencies.currency = campaigns.currency then campaigns.{{ measure }} else 0 end
            as {{ measure }},
        {% endfor -%}
        coalesce(opportunities.opportunities, 0) as opportunities,
        coalesce(opportunities.won_opportunities, 0) as won_opportunities,
        coalesce(opportunities.opportunity_amount, 0) as opportunity_amount,
        coalesce(opportunities.won_amount, 0) as won_amount,

        campaigns.start_date,
        campaigns.end_date
    from campaigns
    inner join campaign_currencies on campaigns.campaign_id = campaign_currencies.campaign_id
    left join opportunities
        on campaign_currencies.campaign_id = opportunities.campaign_id
        and campaign_currencies.currency = opportunities.currency
    left join sales_reps on campaigns.owner_user_id = sales_reps.user_id

)

select * from final
