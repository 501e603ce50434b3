select
    a.account_id,
    a.brand,
    coalesce(c.seats, 0) as seats
from {{ ref('stg_accounts') }} as a
left join {{ ref('int_contract_seats') }} as c on c.account_id = a.account_id
