with members as (

    select * from {{ ref('stg_sfdc_campaign_member') }}

),

campaigns as (

    select campaign_id, brand from {{ ref('int_commercial_campaigns') }}

),

final as (

    select
        members.campaign_member_id,
        members.campaign_id,

        campaigns.brand,
        members.member_type,
        members.member_status,

        members.has_responded,
        members.first_responded_date,
        members.created_at,
        members.changed_at
    from members
    inner join campaigns on members.campaign_id = campaigns.campaign_id

)

select * from final
