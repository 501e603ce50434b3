with source as (

    select * from {{ source('salesforce', 'sfdc_opportunity') }}

),

renamed as (

    select
        id as opportunity_id,
        account_id,
        campaign_id,
        owner_id as owner_user_id,
        contact_id,
        subscription_number,
        _batch_id as batch_id,

        name as opportunity_name,
        brand,
        type as opportunity_type,
        stage_name,
        currency_iso_code as currency,
        lead_source,
        forecast_category_name,
        loss_reason,

        amount,
        probability,
        expected_revenue,
        arr as arr_amount,
        contract_term_months,
        push_count,

        coalesce(is_closed, false) as is_closed,
        coalesce(is_won, false) as is_won,
        has_opportunity_line_item as has_line_items,
        is_renewal,

        close_date,
        renewal_date,
        last_activity_date,

        last_stage_change_date as stage_changed_at,
        created_date as created_at,
        last_modified_date as modified_at,
        system_modstamp as changed_at,
        _loaded_at as loaded_at
    from source
    where not _deleted

)

select * from renamed
