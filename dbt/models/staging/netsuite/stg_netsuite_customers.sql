with source as (

    select * from {{ source('netsuite', 'netsuite_customers') }}

),

renamed as (

    select
        id as netsuite_customer_id,
        entity_id,
        external_id,
        zuora_account_number as account_number,
        sfdc_account_id as account_id,
        subsidiary as subsidiary_id,
        sales_rep as sales_rep_employee_id,
        parent as parent_netsuite_customer_id,
        _batch_id as batch_id,

        company_name,
        entity_status,
        category,
        brand,
        currency,
        terms,

        balance,
        overdue_balance,
        unbilled_orders,
        credit_limit,

        is_inactive,

        date_first_order,
        date_closed,

        date_created as created_at,
        last_modified_date as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
