{#-
    Every key of a fact is found in its dimension. `dimensions` maps a column of the fact to [dimension, its key].
    Usage: joins_dimensions: {dimensions: {close_date_key: [dim_date, date_key]}}
-#}
{% test joins_dimensions(model, dimensions) %}
{% for column, target in dimensions.items() %}
select '{{ column }}' as fact_column, cast(fact.{{ column }} as string) as missing_key, count(*) as row_count
from {{ model }} as fact
left join {{ ref(target[0]) }} as dimension on fact.{{ column }} = dimension.{{ target[1] }}
where dimension.{{ target[1] }} is null
group by 1, 2
{{ 'union all' if not loop.last }}
{% endfor %}
{% endtest %}
