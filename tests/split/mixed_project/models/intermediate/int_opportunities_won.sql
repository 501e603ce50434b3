select
    brand,
    count(*) as won,
    sum(case when brand = 'Enterprise' then amount else 0 end) as direct_amount
from {{ ref('stg_opportunities') }}
where stage = 'won'
group by brand
