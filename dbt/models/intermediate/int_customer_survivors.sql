with accounts as (

    select account_id from {{ ref('int_commercial_accounts') }}

),

merges as (

    select * from {{ ref('stg_sfdc_account_merge') }}

),

followed as (

    -- an account that took another's place can itself be merged away: follow three merges
    select
        first.account_id,
        coalesce(third.merged_into_account_id, second.merged_into_account_id, first.merged_into_account_id)
            as customer_id
    from merges as first
    left join merges as second on first.merged_into_account_id = second.account_id
    left join merges as third on second.merged_into_account_id = third.account_id

),

final as (

    select account_id, account_id as customer_id from accounts
    union all
    select followed.account_id, followed.customer_id
    from followed
    inner join accounts on followed.customer_id = accounts.account_id

)

select * from final
