{#- The columns are filled in every row that meets the condition (all rows by default). -#}
{% test not_null_where(model, columns, condition='true') %}
select * from {{ model }}
where {{ condition }} and (
    {%- for column in columns %}{{ ' or ' if not loop.first }}{{ column }} is null{% endfor -%}
)
{% endtest %}
