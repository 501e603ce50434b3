{#- True when `item` is one of the parts of a `;`-joined list such as a Salesforce multipicklist. Case matters; a NULL item gives NULL. -#}
{% macro list_contains(list, item) -%}
    strpos(';' || coalesce({{ list }}, '') || ';', ';' || {{ item }} || ';') > 0
{%- endmacro %}

{#- A relation of one row per part of a `;`-joined list: from `source`, columns `columns` and the part as `item`. -#}
{% macro split_list(source, columns, list) %}{{ return(adapter.dispatch('split_list', 'mg_dw')(source, columns, list)) }}{% endmacro %}
{% macro default__split_list(source, columns, list) -%}
    select {{ columns | join(', ') }}, unnest(string_split({{ list }}, ';')) as item from {{ source }}
{%- endmacro %}
{% macro bigquery__split_list(source, columns, list) -%}
    select {{ columns | join(', ') }}, item from {{ source }}, unnest(split({{ list }}, ';')) as item
{%- endmacro %}

{#- All values of a group joined by `;`, in their own order. -#}
{% macro joined_list(expression) -%}
    {{ dbt.listagg(expression, "';'", 'order by ' ~ expression) }}
{%- endmacro %}

{#- Text without blanks, tabs and line ends around it. Left to themselves DuckDB trims blanks only, BigQuery all of them. -#}
{% macro trimmed(text) %}{{ return(adapter.dispatch('trimmed', 'mg_dw')(text)) }}{% endmacro %}
{% macro default__trimmed(text) -%} trim({{ text }}, concat(' ', chr(9), chr(10), chr(13), chr(160))) {%- endmacro %}
{% macro bigquery__trimmed(text) -%} trim({{ text }}, ' \t\n\r\u00a0') {%- endmacro %}
