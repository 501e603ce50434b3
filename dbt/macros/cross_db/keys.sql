{#-
    The surrogate key of a row: digest of its natural key in canonical text, so that both warehouses agree.
    Only strings, integers, booleans and dates may go in: floats, decimals and stamps print differently.
    Each bar is followed by what it means (0 a bar of the text, 1 the next column, 2 NULL), so that no two natural keys
    are one text.
-#}
{% macro surrogate_key(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- do parts.append("coalesce(replace(cast(" ~ column ~ " as string), '|', '|0'), '|2')") -%}
        {%- if not loop.last -%}{%- do parts.append("'|1'") -%}{%- endif -%}
    {%- endfor -%}
    {{ dbt.hash(dbt.concat(parts)) }}
{%- endmacro %}

{#- The key of the dimension row that stands for "not known"; every dimension has that row. -#}
{% macro unknown_key() -%} 'unknown' {%- endmacro %}
{% macro unknown_date_key() -%} 19000101 {%- endmacro %}
