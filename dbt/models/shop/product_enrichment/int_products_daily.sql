{#- Incremental by day of the catalogue; macros/bookmarks.sql says how. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='catalogue_date',
        meta={'settles': true},
    )
}}

with

changed_days as (

    {{ changed_days(ref('stg_products'), 'catalogue_date') }}

),

deliveries as (

    -- Of several rows of a product on one day the last one counts; among equals any order will do that is always the same.
    select
        products.*,
        changed_days.day_fingerprint,
        row_number() over (
            partition by products.product_id, products.catalogue_date
            order by products.updated_at desc, products.price_micros, products.stock_quantity, products.name,
                products.category, products.subcategory, products.brand, products.currency, products.cost_micros,
                products.reorder_level, products.is_active
        ) as delivery_number
    from {{ ref('stg_products') }} as products
    inner join changed_days on products.catalogue_date = changed_days.catalogue_date

),

final as (

    select
        product_id,
        catalogue_date,
        name,
        brand,
        category,
        subcategory,
        currency,
        price_micros,
        cost_micros,
        stock_quantity,
        reorder_level,
        is_active,
        updated_at,
        day_fingerprint
    from deliveries
    where delivery_number = 1

)

select * from final
