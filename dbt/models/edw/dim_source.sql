with sources as (

    select * from {{ ref('dim_source_ods') }}

),

final as (

    select
        source_name,
        as_of_at,
        as_of_date,
        last_loaded_at
    from sources

)

select * from final
