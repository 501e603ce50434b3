select account_id from {{ ref('fct_enterprise_seats') }} where seats < 0
