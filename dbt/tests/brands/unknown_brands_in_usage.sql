-- Rows whose brand the seed does not know stay out of ODS; this says which and how many.
{{ config(severity='warn') }}
{{ unknown_brands([
    ['stg_s3_cm_usage', 'brand_code', 'brand_code'], ['stg_s3_emma_usage', 'brand_code', 'brand_code'],
]) }}
