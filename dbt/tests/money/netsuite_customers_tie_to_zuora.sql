-- Every Commercial billing account has its NetSuite customer of the same brand, currency and Salesforce account.
select zuora.account_number, zuora.brand, netsuite.netsuite_customer_id, netsuite.brand as netsuite_brand
from {{ ref('stg_zuora_account') }} as zuora
left join {{ ref('stg_netsuite_customers') }} as netsuite on zuora.account_number = netsuite.account_number
where {{ only_commercial('zuora.brand') }}
    and (
        netsuite.netsuite_customer_id is null
        or zuora.brand <> coalesce(netsuite.brand, '')
        or zuora.currency <> coalesce(netsuite.currency, '')
    )
