{#-
    Brands that the seed does not know, and rows without a brand: one row per relation and brand, with its count.
    `columns` is a list of [model, column] or [model, column, 'brand_code'].
-#}
{% macro unknown_brands(columns) -%}
{% for entry in columns %}
select
    '{{ entry[0] }}.{{ entry[1] }}' as found_in,
    coalesce(row_of.{{ entry[1] }}, '(none)') as unknown_brand,
    count(*) as row_count
from {{ ref(entry[0]) }} as row_of
left join {{ ref('brands') }} as brands on row_of.{{ entry[1] }} = brands.{{ entry[2] if entry | length > 2 else 'brand' }}
where brands.brand is null
group by 1, 2
{{ 'union all' if not loop.last }}
{% endfor %}
{%- endmacro %}
