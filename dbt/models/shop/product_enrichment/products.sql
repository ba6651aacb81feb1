with

days as (

    select
        *,
        row_number() over (partition by product_id order by catalogue_date desc) as age,
        min(catalogue_date) over (partition by product_id) as first_catalogue_date,
        max(catalogue_date) over () as last_delivery_date
    from {{ ref('int_products_daily') }}

),

latest as (

    select * from days where age = 1

),

prices as (

    select
        product_id,
        count(*) - 1 as price_changes,
        min(price_micros) as lowest_price_micros,
        max(price_micros) as highest_price_micros
    from {{ ref('product_price_history') }}
    group by product_id

),

enriched as (

    select
        latest.*,
        categories.department,
        categories.category is not null as has_known_category,
        categories.low_stock_quantity,
        prices.price_changes,
        prices.lowest_price_micros,
        prices.highest_price_micros
    from latest
    left join {{ ref('product_categories') }} as categories on latest.category = categories.category
    left join prices on latest.product_id = prices.product_id

),

final as (

    select
        product_id,
        name,
        brand,
        category,
        subcategory,
        department,
        has_known_category,
        currency,
        price_micros,
        {{ amount('price_micros') }} as price,
        cast(coalesce(price_changes, 0) as {{ dbt.type_bigint() }}) as price_changes,
        {{ amount('cost_micros') }} as cost,
        {{ ratio('price_micros - cost_micros', 'price_micros') }} as margin_rate,
        {{ amount('lowest_price_micros') }} as lowest_price,
        {{ amount('highest_price_micros') }} as highest_price,
        stock_quantity,
        coalesce(reorder_level, low_stock_quantity) as reorder_level,
        {{ amount('stock_quantity * price_micros') }} as stock_value,
        case
            when stock_quantity is null then 'unknown'
            when stock_quantity <= 0 then 'out_of_stock'
            when stock_quantity <= coalesce(reorder_level, low_stock_quantity, 0) then 'low_stock'
            else 'in_stock'
        end as stock_status,
        first_catalogue_date,
        catalogue_date as last_catalogue_date,
        catalogue_date = last_delivery_date as is_in_last_catalogue,
        is_active,
        updated_at
    from enriched

)

select * from final
