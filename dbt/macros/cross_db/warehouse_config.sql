{#-
    How BigQuery lays out a table; nothing in DuckDB. Months, because a day of most tables is far below the size from
    which a partition pays. No require_partition_filter: the layer above and Tableau's extracts read whole tables.

    Arguments:
        by: the DATE column that partitions the table by month; none for tables too small for partitions.
        cluster: up to four columns, the one that queries filter or join on most first.
    Usage: {{ config(**layout(by='usage_date', cluster=['account_number'])) }}
-#}
{% macro layout(by=none, cluster=none) -%}
    {%- set partition = {'field': by, 'data_type': 'date', 'granularity': 'month'} if by else none -%}
    {%- set bigquery = target.type == 'bigquery' -%}
    {{ return({'partition_by': partition if bigquery else none, 'cluster_by': cluster if bigquery else none}) }}
{%- endmacro %}
