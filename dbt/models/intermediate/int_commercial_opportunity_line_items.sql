with line_items as (

    select * from {{ ref('stg_sfdc_opportunity_line_item') }}

),

opportunities as (

    select opportunity_id, brand, currency from {{ ref('int_commercial_opportunities') }}

),

final as (

    select
        line_items.line_item_id,
        line_items.opportunity_id,
        line_items.product_code,

        opportunities.brand,
        opportunities.currency,

        line_items.quantity,
        line_items.unit_price,
        line_items.discount,
        line_items.total_price,
        line_items.line_number,

        line_items.service_date,
        line_items.changed_at
    from line_items
    inner join opportunities on line_items.opportunity_id = opportunities.opportunity_id

)

select * from final
