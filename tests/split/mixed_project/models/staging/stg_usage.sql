select
    account_id,
    used_at,
    {% for metric in ['calls', 'minutes'] -%}
    sum(case when metric = '{{ metric }}' then amount end) as {{ metric }}{{ "," if not loop.last }}
    {% endfor -%}
from {{ source('web', 'usage') }}
group by account_id, used_at
