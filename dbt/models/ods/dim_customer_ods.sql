{{ config(**layout(cluster=['customer_id'])) }}

with accounts as (

    select * from {{ ref('int_commercial_accounts') }}

),

contacts as (

    select
        customer_id,
        count(*) as contact_count,
        count(case when not has_opted_out_of_email then 1 end) as reachable_contact_count
    from {{ ref('int_commercial_contacts') }}
    group by customer_id

),

merged_accounts as (

    select customer_id, count(*) as merged_account_count
    from {{ ref('int_customer_survivors') }}
    where account_id <> customer_id
    group by customer_id

),

final as (

    select
        accounts.account_id as customer_id,
        accounts.account_number as salesforce_account_number,
        accounts.owner_user_id,

        accounts.account_name as customer_name,
        accounts.brands,
        accounts.primary_brand,
        accounts.account_type,
        accounts.customer_status,
        accounts.industry,
        accounts.ownership,
        accounts.rating,
        accounts.account_source,
        accounts.website,
        accounts.billing_city,
        accounts.billing_state,
        accounts.billing_postal_code,
        accounts.billing_country,
        accounts.billing_country_code,
        accounts.currency,

        accounts.brand_count,
        accounts.annual_revenue,
        accounts.number_of_employees,
        accounts.health_score,
        coalesce(contacts.contact_count, 0) as contact_count,
        coalesce(contacts.reachable_contact_count, 0) as reachable_contact_count,
        coalesce(merged_accounts.merged_account_count, 0) as merged_account_count,

        accounts.customer_since,
        accounts.created_at,
        accounts.changed_at
    from accounts
    left join contacts on accounts.account_id = contacts.customer_id
    left join merged_accounts on accounts.account_id = merged_accounts.customer_id

)

select * from final
