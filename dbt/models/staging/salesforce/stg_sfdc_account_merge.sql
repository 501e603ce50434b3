with source as (

    select * from {{ source('salesforce', 'sfdc_account') }}

),

renamed as (

    select
        id as account_id,
        master_record_id as merged_into_account_id
    from source
    where _deleted and master_record_id is not null

)

select * from renamed
