with source as (

    select * from {{ source('salesforce', 'sfdc_opportunity_line_item') }}

),

renamed as (

    select
        id as line_item_id,
        opportunity_id,
        _batch_id as batch_id,

        product_code,
        name as line_item_name,
        currency_iso_code as currency,

        quantity,
        unit_price,
        list_price,
        discount,
        subtotal,
        total_price,
        sort_order as line_number,

        service_date,

        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
