select
    t.ticket_id,
    t.details.channel as channel,
    case when a.segment = 'Enterprise' then 'P1' else t.details.severity end as severity
from {{ ref('stg_tickets') }} as t
inner join {{ ref('stg_accounts') }} as a on a.account_id = t.account_id
