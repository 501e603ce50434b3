select
    ticket_id,
    account_id,
    {'channel': channel, 'severity': severity} as details,
    string_split(tags, ';') as tags,
    opened_at
from {{ source('crm', 'tickets') }}
