with opportunities as (

    select * from {{ ref('stg_sfdc_opportunity') }}
    where {{ only_commercial('brand') }}

),

customers as (

    select account_id, customer_id from {{ ref('int_customer_survivors') }}

),

users as (

    select user_id from {{ ref('int_commercial_users') }}

),

campaigns as (

    select campaign_id from {{ ref('int_commercial_campaigns') }}

),

final as (

    -- ids of rows that did not pass the brand rule are dropped, the deal itself stays
    select
        opportunities.opportunity_id,
        customers.customer_id,
        users.user_id as owner_user_id,
        campaigns.campaign_id,

        opportunities.opportunity_name,
        opportunities.brand,
        opportunities.opportunity_type,
        opportunities.stage_name,
        opportunities.forecast_category_name,
        opportunities.lead_source,
        opportunities.loss_reason,
        opportunities.currency,

        opportunities.amount,
        opportunities.arr_amount,
        opportunities.probability,
        opportunities.contract_term_months,
        opportunities.push_count,

        opportunities.is_closed,
        opportunities.is_won,
        opportunities.is_renewal,

        opportunities.close_date,
        opportunities.renewal_date,
        opportunities.stage_changed_at,
        opportunities.created_at,
        opportunities.changed_at
    from opportunities
    left join customers on opportunities.account_id = customers.account_id
    left join users on opportunities.owner_user_id = users.user_id
    left join campaigns on opportunities.campaign_id = campaigns.campaign_id

)

select * from final
