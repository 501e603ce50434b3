with ledger as (

    -- not called source, as elsewhere: in BigQuery that name would then mean the row, not its column
    select * from {{ source('warehouse', '_ledger') }}

),

renamed as (

    select
        batch_id,

        source as source_name,
        table_name,

        rows_read,

        window_hi as window_end_at,
        loaded_at
    from ledger

)

select * from renamed
