{{ config(**layout(by='close_date', cluster=['brand', 'customer_id'])) }}

with opportunities as (

    select * from {{ ref('int_commercial_opportunities') }}

),

line_items as (

    select
        opportunity_id,
        count(*) as line_item_count,
        sum(total_price) as line_item_amount
    from {{ ref('int_commercial_opportunity_line_items') }}
    group by opportunity_id

),

final as (

    select
        opportunities.opportunity_id,
        opportunities.customer_id,
        opportunities.owner_user_id,
        opportunities.campaign_id,

        opportunities.opportunity_name,
        opportunities.brand,
        opportunities.opportunity_type,
        opportunities.stage_name,
        opportunities.forecast_category_name,
        opportunities.lead_source,
        opportunities.loss_reason,
        coalesce(opportunities.currency, '(none)') as currency,

        {{ money('coalesce(opportunities.amount, 0)') }} as amount,
        opportunities.arr_amount,
        opportunities.probability,
        opportunities.contract_term_months,
        opportunities.push_count,
        coalesce(line_items.line_item_count, 0) as line_item_count,
        {{ money('coalesce(line_items.line_item_amount, 0)') }} as line_item_amount,

        opportunities.is_won,
        opportunities.is_closed,
        opportunities.is_closed and not opportunities.is_won as is_lost,
        not opportunities.is_closed and not opportunities.is_won as is_open,
        coalesce(opportunities.is_renewal, false) as is_renewal,

        opportunities.close_date,
        opportunities.renewal_date,
        {{ to_date('opportunities.created_at') }} as created_date,
        opportunities.stage_changed_at,
        opportunities.changed_at
    from opportunities
    left join line_items on opportunities.opportunity_id = line_items.opportunity_id

)

select * from final
