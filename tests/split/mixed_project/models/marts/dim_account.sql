{{ config(materialized='table') }}

select
    a.account_id,
    a.account_name,
    a.brand,
    case a.segment when 'Enterprise' then 'Ent' when 'Commercial' then 'Com' else 'none' end as segment_code,
    c.region
from {{ ref('stg_accounts') }} as a
left join {{ ref('stg_countries') }} as c on c.country_code = a.country_code
