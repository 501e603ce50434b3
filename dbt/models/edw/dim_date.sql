with days as (

    select * from {{ ref('dim_date_ods') }}

),

unknown as (

    -- stands for a missing date and for dates the calendar does not cover
    select
        cast('1900-01-01' as date) as date_day,
        '(unknown)' as unknown_name

),

known_days as (

    select
        {{ date_key('date_day') }} as date_key,
        date_day,
        week_start,
        month_start,
        month_end,
        quarter_start,
        year_number,
        quarter_number,
        month_number,
        day_of_month,
        iso_weekday,
        month_name,
        weekday_name,
        is_weekend,
        is_month_end,
        true as is_known
    from days

),

unknown_day as (

    select
        {{ unknown_date_key() }} as date_key,
        date_day,
        date_day as week_start,
        date_day as month_start,
        date_day as month_end,
        date_day as quarter_start,
        1900 as year_number,
        1 as quarter_number,
        1 as month_number,
        1 as day_of_month,
        1 as iso_weekday,
        unknown_name as month_name,
        unknown_name as weekday_name,
        false as is_weekend,
        false as is_month_end,
        false as is_known
    from unknown

),

final as (

    select * from known_days
    union all
    select * from unknown_day

)

select * from final
