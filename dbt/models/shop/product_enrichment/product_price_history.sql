{#- From the daily catalogues, so it is the same whenever and however often it is built; the snapshot product_prices is not. -#}
with

prices as (

    select
        product_id,
        catalogue_date,
        currency,
        price_micros,
        lag(price_micros) over (partition by product_id order by catalogue_date) as previous_price_micros,
        lag(currency) over (partition by product_id order by catalogue_date) as previous_currency,
        row_number() over (partition by product_id order by catalogue_date) as day_number
    from {{ ref('int_products_daily') }}
    where price_micros is not null

),

changes as (

    select *
    from prices
    where day_number = 1
        or price_micros <> previous_price_micros
        or coalesce(currency, '') <> coalesce(previous_currency, '')

),

final as (

    select
        product_id,
        catalogue_date as valid_from,
        lead(catalogue_date) over (partition by product_id order by catalogue_date) as valid_to,
        currency,
        price_micros,
        {{ amount('price_micros') }} as price,
        {{ percent_difference('previous_price_micros', 'price_micros') }} as change_percent
    from changes

)

select * from final
