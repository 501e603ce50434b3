{#- Partitioning and clustering, which only BigQuery takes: `config(partition_by=partition_by_month('day'), ...)`. -#}
{% macro partition_by_month(column) -%}
    {{ return({'field': column, 'data_type': 'date', 'granularity': 'month'} if target.type == 'bigquery' else none) }}
{%- endmacro %}

{% macro cluster_by(columns) -%}
    {{ return(columns if target.type == 'bigquery' else none) }}
{%- endmacro %}
