with campaigns as (

    select * from {{ ref('stg_sfdc_campaign') }}
    where {{ only_commercial('brand') }}

),

users as (

    select user_id from {{ ref('int_commercial_users') }}

),

final as (

    select
        campaigns.campaign_id,
        users.user_id as owner_user_id,

        campaigns.campaign_name,
        campaigns.brand,
        campaigns.campaign_type,
        campaigns.campaign_status,
        campaigns.currency,

        campaigns.budgeted_cost,
        campaigns.actual_cost,
        campaigns.number_sent,

        campaigns.is_active,
        campaigns.start_date,
        campaigns.end_date,
        campaigns.changed_at
    from campaigns
    left join users on campaigns.owner_user_id = users.user_id

)

select * from final
