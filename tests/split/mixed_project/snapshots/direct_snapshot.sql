{% snapshot direct_snapshot %}
{{ config(target_schema='snapshots', unique_key='account_id', strategy='check', check_cols='all') }}
select account_id, account_name
from {{ ref('stg_accounts') }}
where segment = 'Enterprise'
{% endsnapshot %}
