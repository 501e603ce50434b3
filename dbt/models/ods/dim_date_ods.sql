with days as (

    {{ date_spine(var('calendar_start'), var('calendar_end')) }}

),

final as (

    select
        day as date_day,

        {{ week_start('day') }} as week_start,
        {{ month_start('day') }} as month_start,
        {{ month_end('day') }} as month_end,
        {{ quarter_start('day') }} as quarter_start,

        extract(year from day) as year_number,
        extract(quarter from day) as quarter_number,
        extract(month from day) as month_number,
        extract(day from day) as day_of_month,
        {{ iso_weekday('day') }} as iso_weekday,

        {{ month_name('day') }} as month_name,
        {{ weekday_name('day') }} as weekday_name,

        {{ iso_weekday('day') }} >= 6 as is_weekend,
        day = {{ month_end('day') }} as is_month_end
    from days

)

select * from final
