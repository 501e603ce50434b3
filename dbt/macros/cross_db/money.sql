{#- Exact money: 38 digits, 9 after the point, the same type in both warehouses. Never a float on the way. -#}
{% macro money(expression) -%}
    cast({{ expression }} as numeric(38, 9))
{%- endmacro %}

{#- Exact money rounded to cents, halves away from zero (both warehouses do so for exact decimals). -#}
{% macro cents(expression) -%}
    {{ money('round(' ~ expression ~ ', 2)') }}
{%- endmacro %}

{#- numerator / denominator to 6 digits; NULL when the denominator is NULL or 0. For shares and rates, not for money. -#}
{% macro ratio(numerator, denominator) -%}
    {{ adapter.dispatch('ratio', 'mg_dw')(numerator, denominator) }}
{%- endmacro %}
{% macro default__ratio(numerator, denominator) -%}
    cast(round(cast({{ numerator }} as double) / nullif({{ denominator }}, 0), 6) as numeric(38, 9))
{%- endmacro %}
{% macro bigquery__ratio(numerator, denominator) -%}
    cast(round(safe_divide({{ numerator }}, {{ denominator }}), 6) as numeric(38, 9))
{%- endmacro %}
