with source as (

    select * from {{ source('s3', 's3_cm_usage_data') }}

),

renamed as (

    select
        usage_date,
        account_number,
        _batch_id as batch_id,

        brand_code,
        plan_code as plan_name,

        emails_sent,
        emails_delivered,
        unique_opens as opens,
        unique_clicks as clicks,
        unsubscribes,
        spam_complaints as complaints,
        campaigns_sent as mailings_sent,
        active_subscribers as active_contacts,
        api_calls,
        storage_mb,
        overage_amount,
        coalesce(hard_bounces, 0) + coalesce(soft_bounces, 0) as bounces,

        last_event_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
