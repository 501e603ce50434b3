{#-
    THE brand rule, and the only place where it is written: true for rows of a Commercial brand of the seed `brands`.
    Unknown and NULL brands do not pass.

    Arguments:
        brand_column: the column that names the brand.
        by: `brand` for names, `brand_code` for codes.
        allow_shared: let Corporate pass as well; for internal users only, never for customers or money.
    Usage: where {{ only_commercial('source.brand') }}
-#}
{% macro only_commercial(brand_column, by='brand', allow_shared=false) -%}
    {{ brand_column }} in (
        select rule.{{ by }} from {{ ref('brands') }} as rule
        where rule.segment in ('Commercial'{{ ", 'Shared'" if allow_shared else '' }})
    )
{%- endmacro %}
