with

sessions as (

    select * from {{ ref('int_clickstream_sessions') }}

),

final as (

    select
        user_pseudo_id,
        session_number,
        started_at,
        ended_at,
        session_date,
        duration_seconds,
        event_count,
        page_views,
        product_views,
        cart_adds,
        checkouts,
        purchases,
        revenue_micros,
        {{ amount('revenue_micros') }} as revenue,
        event_count = 1 as is_bounce,
        purchases > 0 as is_converted,
        cart_adds > 0 and purchases = 0 as is_abandoned_cart,
        case
            when purchases > 0 then 'purchase'
            when checkouts > 0 then 'checkout'
            when cart_adds > 0 then 'cart'
            when product_views > 0 then 'product'
            else 'visit'
        end as furthest_step,
        landing_path,
        exit_path,
        device_category,
        country
    from sessions

)

select * from final
