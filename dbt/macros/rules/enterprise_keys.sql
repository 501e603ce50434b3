{#-
    A query of one text column: the keys, of one kind, of all rows that must not pass into ODS, whatever the reason
    (Enterprise brand, Shared brand on money, unknown or missing brand). Written apart from only_commercial, so that a
    mistake there is found here. A key that also belongs to a row that may pass is not in the list.
-#}
{% macro enterprise_keys(kind) -%}
    {%- set plain = {
        'user': ('stg_sfdc_user', 'user_id', 'division', 'brand'),
        'opportunity': ('stg_sfdc_opportunity', 'opportunity_id', 'brand', 'brand'),
        'lead': ('stg_sfdc_lead', 'lead_id', 'brand', 'brand'),
        'campaign': ('stg_sfdc_campaign', 'campaign_id', 'brand', 'brand'),
        'product': ('stg_zuora_product', 'product_id', 'brand', 'brand'),
        'product_code': ('stg_zuora_product', 'product_code', 'brand', 'brand'),
        'account_number': ('stg_zuora_account', 'account_number', 'brand', 'brand'),
        'subscription_version': ('stg_zuora_subscription', 'subscription_version_id', 'brand', 'brand'),
        'subscription': ('stg_zuora_subscription', 'subscription_number', 'brand', 'brand'),
        'invoice': ('stg_zuora_invoice', 'invoice_id', 'brand', 'brand'),
        'invoice_number': ('stg_zuora_invoice', 'invoice_number', 'brand', 'brand'),
        'payment': ('stg_zuora_payment', 'payment_id', 'brand', 'brand'),
        'payment_number': ('stg_zuora_payment', 'payment_number', 'brand', 'brand'),
        'netsuite_invoice': ('stg_netsuite_invoices', 'netsuite_invoice_id', 'brand', 'brand'),
        'netsuite_payment': ('stg_netsuite_payments', 'netsuite_payment_id', 'brand', 'brand'),
        'netsuite_product': ('stg_netsuite_products', 'netsuite_product_id', 'brand', 'brand'),
        'cm_usage_account': ('stg_s3_cm_usage', 'account_number', 'brand_code', 'brand_code'),
        'emma_usage_account': ('stg_s3_emma_usage', 'account_number', 'brand_code', 'brand_code'),
    } -%}
    {%- set allowed = "('Commercial', 'Shared')" if kind == 'user' else "('Commercial')" -%}
    {%- if kind == 'account' -%}
    select account_id from {{ ref('stg_sfdc_account') }}
    where account_id not in (
        select account.account_id
        from {{ ref('stg_sfdc_account') }} as account
        inner join {{ ref('brands') }} as brands on {{ list_contains('account.brands', 'brands.brand') }}
        where brands.segment in {{ allowed }}
    )
    {%- elif kind == 'line_item' -%}
    select line_item_id from {{ ref('stg_sfdc_opportunity_line_item') }}
    where opportunity_id in ({{ enterprise_keys('opportunity') }})
    {%- elif kind in plain -%}
    {%- set relation, key, brand, by = plain[kind] -%}
    select cast(row_of.{{ key }} as string)
    from {{ ref(relation) }} as row_of
    left join {{ ref('brands') }} as brands on row_of.{{ brand }} = brands.{{ by }} and brands.segment in {{ allowed }}
    where row_of.{{ key }} is not null
    group by row_of.{{ key }}
    having count(brands.brand) = 0
    {%- else -%}
    {{ exceptions.raise_compiler_error("no kind of key is called " ~ kind) }}
    {%- endif -%}
{%- endmacro %}
