{#- Every row meets the condition; NULL does not count as met. -#}
{% test expression_is_true(model, expression) %}
select * from {{ model }}
where not coalesce({{ expression }}, false)
{% endtest %}
