{#- The type of money in casts. BigQuery's NUMERIC is (38, 9) by itself and takes no digits in a cast; DuckDB's is (18, 3). -#}
{% macro money_type() %}{{ return(adapter.dispatch('money_type', 'mg_dw')()) }}{% endmacro %}
{% macro default__money_type() -%} numeric(38, 9) {%- endmacro %}
{% macro bigquery__money_type() -%} numeric {%- endmacro %}

{#- Exact money: 38 digits, 9 after the point, the same type in both warehouses. Never a float on the way. -#}
{% macro money(expression) -%}
    cast({{ expression }} as {{ money_type() }})
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
    {{ money('round(cast(' ~ numerator ~ ' as double) / nullif(' ~ denominator ~ ', 0), 6)') }}
{%- endmacro %}
{% macro bigquery__ratio(numerator, denominator) -%}
    {#- Floats on purpose: NUMERIC would round to 9 digits first, and then to 6. -#}
    {{ money('round(safe_divide(cast(' ~ numerator ~ ' as float64), cast(' ~ denominator ~ ' as float64)), 6)') }}
{%- endmacro %}
