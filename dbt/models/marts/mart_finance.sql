with invoices as (

    select
        {{ month_start('invoice_date') }} as month_start, brand, currency,
        sum(case when is_posted then amount else 0 end) as invoiced,
        sum(case when is_posted then amount_without_tax else 0 end) as invoiced_net,
        sum(case when is_posted then tax_amount else 0 end) as tax,
        sum(case when is_posted then balance else 0 end) as open_balance,
        count(case when is_posted then 1 end) as posted_invoices,
        sum(netsuite_amount) as netsuite_invoiced,
        sum(netsuite_amount_without_tax) as netsuite_invoiced_net,
        sum(netsuite_balance) as netsuite_open_balance,
        count(case when netsuite_difference <> 0 or netsuite_difference_without_tax <> 0 then 1 end)
            as differing_invoices
    from {{ ref('fct_invoice') }}
    group by month_start, brand, currency

),

payments as (

    select
        {{ month_start('effective_date') }} as month_start, brand, currency,
        sum(case when is_processed then amount else 0 end) as received,
        sum(case when is_processed then refund_amount else 0 end) as refunds,
        sum(case when is_processed then net_amount else 0 end) as collected,
        sum(netsuite_amount) as netsuite_received,
        count(case when netsuite_difference <> 0 then 1 end) as differing_payments
    from {{ ref('fct_payment') }}
    group by month_start, brand, currency

),

grain as (

    select month_start, brand, currency from invoices
    union distinct
    select month_start, brand, currency from payments

),

joined as (

    select
        grain.month_start,
        grain.brand,
        grain.currency,
        {% for source, measure in [
            ('invoices', 'invoiced'), ('invoices', 'invoiced_net'), ('invoices', 'tax'), ('invoices', 'open_balance'),
            ('payments', 'received'), ('payments', 'refunds'), ('payments', 'collected'),
            ('invoices', 'netsuite_invoiced'), ('invoices', 'netsuite_invoiced_net'),
            ('invoices', 'netsuite_open_balance'), ('payments', 'netsuite_received'),
        ] -%}
        {{ money('coalesce(' ~ source ~ '.' ~ measure ~ ', 0)') }} as {{ measure }},
        {% endfor -%}
        coalesce(invoices.posted_invoices, 0) as posted_invoices,
        coalesce(invoices.differing_invoices, 0) as differing_invoices,
        coalesce(payments.differing_payments, 0) as differing_payments
    from grain
    left join invoices
        on grain.month_start = invoices.month_start
        and grain.brand = invoices.brand
        and grain.currency = invoices.currency
    left join payments
        on grain.month_start = payments.month_start
        and grain.brand = payments.brand
        and grain.currency = payments.currency

),

final as (

    select
        {{ surrogate_key(['month_start', 'brand', 'currency']) }} as finance_key,
        *,
        {{ money('invoiced - netsuite_invoiced') }} as invoiced_difference,
        {{ money('invoiced_net - netsuite_invoiced_net') }} as invoiced_net_difference,
        {{ money('open_balance - netsuite_open_balance') }} as open_balance_difference,
        {{ money('received - netsuite_received') }} as received_difference
    from joined

)

select * from final
