{#- Datasets are exactly STG, ODS and EDW; the dev target puts everything into its own dataset (DEV). -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if target.name == 'dev' or custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
