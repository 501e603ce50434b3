-- Rows whose brand the seed does not know stay out of ODS; this says which and how many.
{{ config(severity='warn') }}
with account_brands as (

    {{ split_list(ref('stg_sfdc_account'), ['account_id'], "coalesce(brands, '')") }}

)

select 'stg_sfdc_account.brands' as found_in, account_brands.item as unknown_brand, count(*) as row_count
from account_brands
left join {{ ref('brands') }} as brands on account_brands.item = brands.brand
where brands.brand is null
group by 1, 2
union all
{{ unknown_brands([
    ['stg_sfdc_opportunity', 'brand'], ['stg_sfdc_lead', 'brand'], ['stg_sfdc_campaign', 'brand'],
    ['stg_sfdc_user', 'division'],
]) }}
