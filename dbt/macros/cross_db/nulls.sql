{#- The smaller or larger of two values; a NULL does not count (in BigQuery's own functions it wins). -#}
{% macro least_known(left, right) -%}
    least(coalesce({{ left }}, {{ right }}), coalesce({{ right }}, {{ left }}))
{%- endmacro %}

{% macro greatest_known(left, right) -%}
    greatest(coalesce({{ left }}, {{ right }}), coalesce({{ right }}, {{ left }}))
{%- endmacro %}
