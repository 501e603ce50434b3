with accounts as (

    select account_id from {{ ref('int_commercial_accounts') }}

),

merged as (

    select * from {{ ref('stg_sfdc_account_merge') }}

),

followed as (

    -- an account that took another's place can itself be merged away: follow three merges
    select
        first_merge.account_id,
        coalesce(
            third_merge.merged_into_account_id, second_merge.merged_into_account_id, first_merge.merged_into_account_id
        ) as customer_id
    from merged as first_merge
    left join merged as second_merge on first_merge.merged_into_account_id = second_merge.account_id
    left join merged as third_merge on second_merge.merged_into_account_id = third_merge.account_id

),

final as (

    select account_id, account_id as customer_id from accounts
    union all
    select followed.account_id, followed.customer_id
    from followed
    inner join accounts on followed.customer_id = accounts.account_id

)

select * from final
