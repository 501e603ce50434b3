-- opening + new + expansion - contraction - lost = closing, and a month opens with what the one before closed with.
with monthly as (

    select
        month_start, brand, currency,
        sum(opening_arr) as opening_arr,
        sum(closing_arr) as closing_arr,
        sum(opening_arr + new_arr + expansion_arr - contraction_arr - lost_arr) as explained_arr
    from {{ ref('fct_arr_movement') }}
    group by month_start, brand, currency

),

compared as (

    select
        *,
        lag(closing_arr) over (partition by brand, currency order by month_start nulls first) as closing_before
    from monthly

)

select * from compared
where closing_arr <> explained_arr or opening_arr <> coalesce(closing_before, 0)
