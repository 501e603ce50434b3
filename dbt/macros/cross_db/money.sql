{#- Exact money: 38 digits, 9 after the point, the same type in both warehouses. Never a float on the way. -#}
{% macro money(expression) -%}
    cast({{ expression }} as numeric(38, 9))
{%- endmacro %}

{#- Exact money rounded to cents, halves away from zero (both warehouses do so for exact decimals). -#}
{% macro cents(expression) -%}
    {{ money('round(' ~ expression ~ ', 2)') }}
{%- endmacro %}

{#- numerator / denominator as a ratio of doubles; NULL when the denominator is NULL or 0. Not for money. -#}
{% macro safe_divide(numerator, denominator) -%}
    cast({{ numerator }} as {{ dbt.type_float() }}) / nullif(cast({{ denominator }} as {{ dbt.type_float() }}), 0)
{%- endmacro %}
