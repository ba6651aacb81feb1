with

sessions as (

    select
        session_date,
        cast(count(*) as {{ dbt.type_bigint() }}) as sessions,
        {{ count_if('is_converted') }} as converted_sessions,
        {{ count_if('is_bounce') }} as bounced_sessions,
        {{ count_if('is_abandoned_cart') }} as abandoned_carts,
        {{ sum_bigint('duration_seconds') }} as duration_seconds
    from {{ ref('clickstream_sessions') }}
    group by session_date

),

visitors as (

    select
        cast(event_at as date) as event_date,
        cast(count(distinct user_pseudo_id) as {{ dbt.type_bigint() }}) as visitors
    from {{ ref('fact_events') }}
    where platform in {{ literals(var('clickstream_platforms')) }}
    group by cast(event_at as date)

),

days as (

    select
        event_date,
        {{ sum_bigint('events') }} as events,
        {{ sum_bigint('page_views') }} as page_views,
        {{ sum_bigint('product_views') }} as product_views,
        {{ sum_bigint('cart_adds') }} as cart_adds,
        {{ sum_bigint('purchases') }} as purchases,
        {{ sum_bigint('revenue_micros') }} as revenue_micros
    from {{ ref('clickstream_hourly') }}
    group by event_date

),

final as (

    select
        days.event_date,
        visitors.visitors,
        coalesce(sessions.sessions, 0) as sessions,
        coalesce(sessions.converted_sessions, 0) as converted_sessions,
        coalesce(sessions.bounced_sessions, 0) as bounced_sessions,
        coalesce(sessions.abandoned_carts, 0) as abandoned_carts,
        days.events,
        days.page_views,
        days.product_views,
        days.cart_adds,
        days.purchases,
        days.revenue_micros,
        {{ amount('days.revenue_micros') }} as revenue,
        {{ ratio('coalesce(sessions.converted_sessions, 0)', 'coalesce(sessions.sessions, 0)') }} as conversion_rate,
        {{ ratio('coalesce(sessions.bounced_sessions, 0)', 'coalesce(sessions.sessions, 0)') }} as bounce_rate,
        {{ ratio('coalesce(sessions.duration_seconds, 0)', 'coalesce(sessions.sessions, 0)', 1) }} as seconds_per_session,
        {{ ratio('days.page_views', 'coalesce(sessions.sessions, 0)', 2) }} as page_views_per_session
    from days
    inner join visitors on days.event_date = visitors.event_date
    left join sessions on days.event_date = sessions.session_date

)

select * from final
