select brand as brand_key, segment, display_order from {{ ref('stg_brand_segments') }}
