with countries as (

    select * from {{ ref('countries') }}

),

final as (

    select
        {{ surrogate_key(['country_code']) }} as geography_key,
        country_code,
        country,
        region
    from countries
    union all
    select
        {{ unknown_key() }} as geography_key,
        cast(null as string) as country_code,
        '(unknown)' as country,
        '(unknown)' as region

)

select * from final
