with source as (

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
    -- Not `from source`: in BigQuery the name `source` would then be the whole row, not the column.
    from source as ledger

)

select * from renamed
