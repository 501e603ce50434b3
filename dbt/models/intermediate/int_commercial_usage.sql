{%- set columns = [
    'usage_date', 'account_number', 'brand_code', 'plan_name', 'mailings_sent', 'emails_sent', 'emails_delivered',
    'opens', 'clicks', 'bounces', 'unsubscribes', 'complaints', 'active_contacts', 'api_calls', 'storage_mb',
    'overage_amount', 'last_event_at',
] -%}

with campaign_monitor as (

    select 'Campaign Monitor' as platform, {{ columns | join(', ') }} from {{ ref('stg_s3_cm_usage') }}

),

emma as (

    select 'Emma' as platform, {{ columns | join(', ') }} from {{ ref('stg_s3_emma_usage') }}

),

both_platforms as (

    select * from campaign_monitor
    union all
    select * from emma

),

final as (

    select both_platforms.*, brands.brand
    from both_platforms
    inner join {{ ref('brands') }} as brands on both_platforms.brand_code = brands.brand_code
    where {{ only_commercial('both_platforms.brand_code', by='brand_code') }}

)

select * from final
