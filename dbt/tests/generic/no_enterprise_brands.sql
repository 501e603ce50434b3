{#- A column of brands (a name, a code or a `;`-joined list) names Commercial brands only, or Shared where allowed. -#}
{% test no_enterprise_brands(model, column_name, by='brand', allow_shared=false) %}
select model.{{ column_name }}, brands.segment
from {{ model }} as model
inner join {{ ref('brands') }} as brands on {{ list_contains('model.' ~ column_name, 'brands.' ~ by) }}
where brands.segment not in ('Commercial'{{ ", 'Shared'" if allow_shared else '' }})
{% endtest %}
