select
    coalesce(a.account_id, c.account_id) as account_id,
    c.seats
from {{ ref('stg_accounts') }} as a
full join {{ ref('int_contract_seats') }} as c on c.account_id = a.account_id
