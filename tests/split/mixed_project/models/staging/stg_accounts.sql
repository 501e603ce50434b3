with source as (
    select * from {{ source('erp', 'accounts') }}
),

renamed as (
    select
        account_id,
        account_name,
        brand,
        segment,
        upper(country) as country_code,
        created_at
    from source
)

select * from renamed
