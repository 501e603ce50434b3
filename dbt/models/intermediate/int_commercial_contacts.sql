with contacts as (

    select * from {{ ref('stg_sfdc_contact') }}

),

customers as (

    select account_id, customer_id from {{ ref('int_customer_survivors') }}

),

final as (

    select
        contacts.contact_id,
        customers.customer_id,

        contacts.title,
        contacts.department,
        contacts.lead_source,

        contacts.is_primary,
        contacts.has_opted_out_of_email,

        contacts.created_at,
        contacts.changed_at
    from contacts
    inner join customers on contacts.account_id = customers.account_id

)

select * from final
