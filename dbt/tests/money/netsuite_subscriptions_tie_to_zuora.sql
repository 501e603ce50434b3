-- NetSuite's monthly and annual amount of a subscription equal the latest Zuora version to the cent.
select zuora.subscription_number, zuora.mrr, netsuite.monthly_amount, netsuite.annual_amount
from {{ ref('fct_subscription_ods') }} as zuora
left join {{ ref('stg_netsuite_subscriptions') }} as netsuite on zuora.subscription_number = netsuite.subscription_number
where zuora.is_latest_version
    and (
        netsuite.netsuite_subscription_id is null
        or zuora.mrr <> coalesce(netsuite.monthly_amount, 0)
        or zuora.arr <> coalesce(netsuite.annual_amount, 0)
    )
