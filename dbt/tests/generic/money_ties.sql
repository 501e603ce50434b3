{#-
    Totals of a model equal those of another relation to the cent, per group (brand and currency by default).

    Arguments:
        to: the other model's name.
        measures: column of this model -> expression over the other model.
        by: columns that both have; money is never added across currencies, so `currency` should be one of them.
        condition, to_condition: which rows count on either side.
-#}
{% test money_ties(model, to, measures, by=['brand', 'currency'], condition='true', to_condition='true') %}
with mine as (

    select {{ by | join(', ') }}
        {%- for mine in measures %}, sum({{ mine }}) as measure_{{ loop.index }}{% endfor %}
    from {{ model }} where {{ condition }} group by {{ by | join(', ') }}

),

theirs as (

    select {{ by | join(', ') }}
        {%- for theirs in measures.values() %}, sum({{ theirs }}) as measure_{{ loop.index }}{% endfor %}
    from {{ ref(to) }} where {{ to_condition }} group by {{ by | join(', ') }}

)

{% for column in measures %}
select
    '{{ column }}' as measure
    {%- for part in by %}, coalesce(mine.{{ part }}, theirs.{{ part }}) as {{ part }}{% endfor %},
    coalesce(mine.measure_{{ loop.index }}, 0) as here,
    coalesce(theirs.measure_{{ loop.index }}, 0) as there
from mine
full outer join theirs on {% for part in by %}{{ ' and ' if not loop.first }}mine.{{ part }} = theirs.{{ part }}{% endfor %}
where coalesce(mine.measure_{{ loop.index }}, 0) <> coalesce(theirs.measure_{{ loop.index }}, 0)
{{ 'union all' if not loop.last }}
{% endfor %}
{% endtest %}
