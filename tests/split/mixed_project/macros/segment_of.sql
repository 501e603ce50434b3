{% macro segment_of(column) %}
    case {{ column }}
        when 'Enterprise' then 'Enterprise'
        when 'Federal' then 'Enterprise'
        else 'Commercial'
    end
{% endmacro %}
