with source as (

    select * from {{ source('s3', 's3_emma_usage_data') }}

),

renamed as (

    select
        usage_date,
        account_number,
        _batch_id as batch_id,

        brand_code,
        plan_tier as plan_name,

        mailings_sent,
        emails_sent,
        emails_delivered,
        opens,
        clicks,
        bounces,
        opt_outs as unsubscribes,
        complaints,
        active_contacts,
        api_calls,
        storage_mb,
        overage_amount,

        last_event_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
