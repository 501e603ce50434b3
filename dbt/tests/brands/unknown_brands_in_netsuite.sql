-- Rows whose brand the seed does not know stay out of ODS; this says which and how many.
{{ config(severity='warn') }}
{{ unknown_brands([
    ['stg_netsuite_customers', 'brand'], ['stg_netsuite_invoices', 'brand'], ['stg_netsuite_payments', 'brand'],
    ['stg_netsuite_subscriptions', 'brand'], ['stg_netsuite_products', 'brand'],
]) }}
