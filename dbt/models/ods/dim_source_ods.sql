with ledger as (

    select * from {{ ref('stg_warehouse_ledger') }}

),

final as (

    select
        source_name,
        max(window_end_at) as as_of_at,
        {{ to_date('max(window_end_at)') }} as as_of_date,
        max(loaded_at) as last_loaded_at,
        count(*) as batch_count
    from ledger
    group by source_name

)

select * from final
