{#-
    The comment in front of every statement, as JSON; BigQuery jobs carry its entries as labels. `node` is the model,
    seed or test at work, none for what dbt asks on its own behalf. The flow sets MGDW_RUN_ID.
-#}
{% macro job_labels(node) -%}
    {%- set labels = {'app': 'mgdw', 'step': 'dbt', 'target': target.name, 'run': env_var('MGDW_RUN_ID', 'local')} -%}
    {%- if node is not none -%}
        {%- do labels.update({'layer': node.fqn[1] if node.fqn | length > 2 else 'ods', 'table': node.name}) -%}
    {%- endif -%}
    {{ return(tojson(labels)) }}
{%- endmacro %}
