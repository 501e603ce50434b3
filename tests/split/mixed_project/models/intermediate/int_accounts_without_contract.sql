select a.account_id, a.brand
from {{ ref('stg_accounts') }} as a
where not exists (
    select 1 from {{ ref('stg_enterprise_contracts') }} as c where c.account_id = a.account_id
)
