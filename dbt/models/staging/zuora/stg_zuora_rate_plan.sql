with source as (

    select * from {{ source('zuora', 'zuora_rate_plan') }}

),

renamed as (

    select
        id as rate_plan_id,
        subscription_id as subscription_version_id,
        product_id,
        original_rate_plan_id,
        _batch_id as batch_id,

        name as rate_plan_name,
        amendment_type,
        last_change_type,
        billing_period,

        quantity,
        unit_price,
        mrr,

        created_date as created_at,
        updated_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
