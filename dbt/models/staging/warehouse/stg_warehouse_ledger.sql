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
    from source

)

select * from renamed
