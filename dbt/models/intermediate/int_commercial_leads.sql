with leads as (

    select * from {{ ref('stg_sfdc_lead') }}
    where {{ only_commercial('brand') }}

),

campaigns as (

    select campaign_id from {{ ref('int_commercial_campaigns') }}

),

final as (

    select
        leads.lead_id,
        campaigns.campaign_id,

        leads.brand,
        leads.lead_source,
        leads.lead_status,
        leads.rating,
        leads.industry,
        leads.country,

        leads.is_converted,
        leads.converted_date,
        leads.created_at,
        leads.changed_at
    from leads
    left join campaigns on leads.campaign_id = campaigns.campaign_id

)

select * from final
