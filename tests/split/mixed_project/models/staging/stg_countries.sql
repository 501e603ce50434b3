select country_code, region from {{ ref('country_regions') }}
