with

sessions as (

    select * from {{ ref('clickstream_sessions') }}

),

events as (

    select
        {{ dbt.date_trunc('hour', 'event_at') }} as hour_at,
        event_name,
        user_pseudo_id,
        purchase_revenue_micros
    from {{ ref('fact_events') }}
    where platform in {{ literals(var('clickstream_platforms')) }}

),

hours as (

    select
        hour_at,
        cast(count(*) as {{ dbt.type_bigint() }}) as events,
        cast(count(distinct user_pseudo_id) as {{ dbt.type_bigint() }}) as visitors,
        {{ count_if("event_name = 'page_view'") }} as page_views,
        {{ count_if("event_name = 'view_item'") }} as product_views,
        {{ count_if("event_name = 'add_to_cart'") }} as cart_adds,
        {{ count_if("event_name = 'purchase'") }} as purchases,
        {{ sum_bigint('purchase_revenue_micros') }} as revenue_micros
    from events
    group by hour_at

),

started as (

    select
        {{ dbt.date_trunc('hour', 'started_at') }} as hour_at,
        cast(count(*) as {{ dbt.type_bigint() }}) as sessions,
        {{ count_if('is_converted') }} as converted_sessions
    from sessions
    group by {{ dbt.date_trunc('hour', 'started_at') }}

),

final as (

    select
        hours.hour_at,
        cast(hours.hour_at as date) as event_date,
        cast(extract(hour from hours.hour_at) as {{ dbt.type_int() }}) as hour,
        hours.events,
        hours.visitors,
        coalesce(started.sessions, 0) as sessions,
        coalesce(started.converted_sessions, 0) as converted_sessions,
        hours.page_views,
        hours.product_views,
        hours.cart_adds,
        hours.purchases,
        hours.revenue_micros,
        {{ amount('hours.revenue_micros') }} as revenue,
        {{ ratio('coalesce(started.converted_sessions, 0)', 'coalesce(started.sessions, 0)') }} as conversion_rate
    from hours
    left join started on hours.hour_at = started.hour_at

)

select * from final
