{#- The date of a UTC stamp. -#}
{% macro to_date(stamp) -%}
    cast({{ stamp }} as date)
{%- endmacro %}

{#- First day of the date's month, as a DATE. -#}
{% macro month_start(day) %}{{ return(adapter.dispatch('month_start', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__month_start(day) -%} cast(date_trunc('month', {{ day }}) as date) {%- endmacro %}
{% macro bigquery__month_start(day) -%} date_trunc({{ day }}, month) {%- endmacro %}

{#- Monday of the date's week, as a DATE. -#}
{% macro week_start(day) %}{{ return(adapter.dispatch('week_start', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__week_start(day) -%} cast(date_trunc('week', {{ day }}) as date) {%- endmacro %}
{% macro bigquery__week_start(day) -%} date_trunc({{ day }}, isoweek) {%- endmacro %}

{#- First day of the date's quarter, as a DATE. -#}
{% macro quarter_start(day) %}{{ return(adapter.dispatch('quarter_start', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__quarter_start(day) -%} cast(date_trunc('quarter', {{ day }}) as date) {%- endmacro %}
{% macro bigquery__quarter_start(day) -%} date_trunc({{ day }}, quarter) {%- endmacro %}

{#- Last day of the date's month, as a DATE. -#}
{% macro month_end(day) -%} last_day({{ day }}) {%- endmacro %}

{#- 1 for Monday to 7 for Sunday. -#}
{% macro iso_weekday(day) %}{{ return(adapter.dispatch('iso_weekday', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__iso_weekday(day) -%} cast(isodow({{ day }}) as int64) {%- endmacro %}
{% macro bigquery__iso_weekday(day) -%} mod(extract(dayofweek from {{ day }}) + 5, 7) + 1 {%- endmacro %}

{#- Whole days from one date to another; negative when `last` is earlier. -#}
{% macro days_between(first, last) %}{{ return(adapter.dispatch('days_between', 'mg_dw')(first, last)) }}{% endmacro %}
{% macro default__days_between(first, last) -%} date_diff('day', {{ first }}, {{ last }}) {%- endmacro %}
{% macro bigquery__days_between(first, last) -%} date_diff({{ last }}, {{ first }}, day) {%- endmacro %}

{#- A date as the integer key yyyymmdd; NULL stays NULL. -#}
{% macro date_key(day) -%}
    extract(year from {{ day }}) * 10000 + extract(month from {{ day }}) * 100 + extract(day from {{ day }})
{%- endmacro %}

{#- Name of the date's month (January) and weekday (Monday). -#}
{% macro month_name(day) %}{{ return(adapter.dispatch('month_name', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__month_name(day) -%} strftime({{ day }}, '%B') {%- endmacro %}
{% macro bigquery__month_name(day) -%} format_date('%B', {{ day }}) {%- endmacro %}

{% macro weekday_name(day) %}{{ return(adapter.dispatch('weekday_name', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__weekday_name(day) -%} strftime({{ day }}, '%A') {%- endmacro %}
{% macro bigquery__weekday_name(day) -%} format_date('%A', {{ day }}) {%- endmacro %}

{#- A relation of one column, `day`: every date from `first` to `last`, both included (text yyyy-mm-dd). -#}
{% macro date_spine(first, last) %}{{ return(adapter.dispatch('date_spine', 'mg_dw')(first, last)) }}{% endmacro %}
{% macro default__date_spine(first, last) -%}
    select cast(series.day as date) as day
    from unnest(generate_series(cast('{{ first }}' as date), cast('{{ last }}' as date), interval 1 day)) as series (day)
{%- endmacro %}
{% macro bigquery__date_spine(first, last) -%}
    select day from unnest(generate_date_array(date '{{ first }}', date '{{ last }}')) as day
{%- endmacro %}

{#- The same day of the next month, as a DATE; meant for the first of a month. -#}
{% macro next_month(day) %}{{ return(adapter.dispatch('next_month', 'mg_dw')(day)) }}{% endmacro %}
{% macro default__next_month(day) -%} cast({{ day }} + interval 1 month as date) {%- endmacro %}
{% macro bigquery__next_month(day) -%} date_add({{ day }}, interval 1 month) {%- endmacro %}
