select brand, segment, display_order from {{ ref('brand_segments') }}
