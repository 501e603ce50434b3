{#-
    What a contract expects, as a query without rows; dbt compares its types with the model's. dbt's own macro casts to
    the types as written, but BigQuery refuses digits in a cast: numeric(38,9) is compared as numeric.
-#}
{% macro bigquery__get_empty_schema_sql(columns) %}
    select
    {% for column in columns.values() %}
        cast(null as {{ column['data_type'].split('(')[0] }}) as {{ column['name'] }}{{ ',' if not loop.last }}
    {% endfor %}
{% endmacro %}
