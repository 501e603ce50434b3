select
    opportunity_id,
    account_id,
    case
        when line = 'enterprise' then 'Enterprise'  -- sold by the direct team
        when line = 'alpha' then 'Alpha'
        else 'Beta'
    end as brand,
    stage,
    amount,
    closed_at
from {{ source('crm', 'opportunities') }}
