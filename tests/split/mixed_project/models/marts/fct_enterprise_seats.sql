select s.account_id, s.seats, a.account_name
from {{ ref('int_contract_seats') }} as s
inner join {{ ref('stg_accounts') }} as a on a.account_id = s.account_id
