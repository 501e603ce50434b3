select t.ticket_id, tag.tag
from {{ ref('stg_tickets') }} as t
cross join unnest(t.tags) as tag(tag)
