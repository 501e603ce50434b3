{#-
    No key of a row that must stay behind the brand rule is in the model. `columns` maps a column to the kind of key
    it holds (see macro enterprise_keys). The keys come from staging and the seed, not from the rule's own macro.
    Usage: no_enterprise_keys: {columns: {customer_id: account, opportunity_id: opportunity}}
-#}
{% test no_enterprise_keys(model, columns) %}
{% for column, kind in columns.items() %}
select '{{ column }}' as model_column, cast(model.{{ column }} as string) as enterprise_key
from {{ model }} as model
where cast(model.{{ column }} as string) in ({{ enterprise_keys(kind) }})
{{ 'union all' if not loop.last }}
{% endfor %}
{% endtest %}
