select account_id, sum(seats) as seats, min(signed_at) as first_signed_at
from {{ ref('stg_enterprise_contracts') }}
group by account_id
