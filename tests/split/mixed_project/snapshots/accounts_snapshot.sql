{% snapshot accounts_snapshot %}
{{ config(target_schema='snapshots', unique_key='account_id', strategy='check', check_cols=['segment', 'brand']) }}
select account_id, brand, segment from {{ ref('stg_accounts') }}
{% endsnapshot %}
