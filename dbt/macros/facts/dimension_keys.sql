{#-
    The date key of a day for a fact: the unknown day when the date is missing or outside of the calendar.
    Usage: {{ fact_date_key('invoices.invoice_date') }} as invoice_date_key
-#}
{% macro fact_date_key(day) -%}
    case
        when {{ day }} between cast('{{ var("calendar_start") }}' as date) and cast('{{ var("calendar_end") }}' as date)
            then {{ date_key(day) }}
        else {{ unknown_date_key() }}
    end
{%- endmacro %}

{#- The customer_key and geography_key of a fact row, from `customers` (dim_customer) left joined on customer_id. -#}
{% macro customer_keys(customers='customers') -%}
    coalesce({{ customers }}.customer_key, {{ unknown_key() }}) as customer_key,
        coalesce({{ customers }}.geography_key, {{ unknown_key() }}) as geography_key
{%- endmacro %}
