{% macro and_recent(column) %}and {{ column }} >= date '{{ var("first_day") }}'{% endmacro %}
