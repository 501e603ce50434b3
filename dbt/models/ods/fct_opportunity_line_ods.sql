{{ config(**layout(by='close_date', cluster=['brand', 'opportunity_id'])) }}

with opportunities as (

    select * from {{ ref('fct_opportunity_ods') }}

),

line_items as (

    select * from {{ ref('int_commercial_opportunity_line_items') }}

),

itemised as (

    select
        line_items.line_item_id as opportunity_line_id,
        line_items.opportunity_id,
        line_items.product_code,
        true as is_itemised,
        line_items.quantity,
        line_items.unit_price,
        {{ money('coalesce(line_items.total_price, 0)') }} as amount
    from line_items

),

not_itemised as (

    -- what the line items do not explain, so that the lines of a deal always add up to the deal
    select
        concat(opportunity_id, '-rest') as opportunity_line_id,
        opportunity_id,
        cast(null as string) as product_code,
        false as is_itemised,
        {{ money('null') }} as quantity,
        {{ money('null') }} as unit_price,
        {{ money('amount - line_item_amount') }} as amount
    from opportunities
    where amount <> line_item_amount

),

lines as (

    select * from itemised
    union all
    select * from not_itemised

),

final as (

    select
        lines.opportunity_line_id,
        lines.opportunity_id,
        lines.product_code,
        opportunities.customer_id,
        opportunities.owner_user_id,

        opportunities.brand,
        opportunities.currency,

        lines.quantity,
        lines.unit_price,
        lines.amount,

        lines.is_itemised,
        opportunities.is_won,
        opportunities.is_renewal,

        opportunities.close_date
    from lines
    inner join opportunities on lines.opportunity_id = opportunities.opportunity_id

)

select * from final
