-- Rows whose brand the seed does not know stay out of ODS; this says which and how many.
{{ config(severity='warn') }}
{{ unknown_brands([
    ['stg_zuora_account', 'brand'], ['stg_zuora_subscription', 'brand'], ['stg_zuora_invoice', 'brand'],
    ['stg_zuora_payment', 'brand'], ['stg_zuora_product', 'brand'],
]) }}
