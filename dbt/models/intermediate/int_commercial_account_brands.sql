with accounts as (

    select account_id, brands from {{ ref('stg_sfdc_account') }}

),

known_brands as (

    select brand from {{ ref('brands') }}

),

final as (

    select accounts.account_id, known_brands.brand
    from accounts
    inner join known_brands on {{ list_contains('accounts.brands', 'known_brands.brand') }}
    where {{ only_commercial('known_brands.brand') }}

)

select * from final
