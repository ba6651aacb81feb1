with

sessions as (

    select * from {{ ref('fact_sessions') }}

),

-- A client is new in the first of its sessions.
numbered_sessions as (

    select
        session_id,
        session_start_date,
        channel,
        user_pseudo_id,
        is_engaged,
        event_count,
        page_view_count,
        engagement_time_msec,
        row_number() over (
            partition by user_pseudo_id order by session_start_timestamp, session_id
        ) as client_session_number
    from sessions

),

traffic as (

    select
        session_start_date as event_date,
        channel,
        cast(count(*) as {{ dbt.type_bigint() }}) as sessions,
        {{ count_if('is_engaged') }} as engaged_sessions,
        cast(count(distinct user_pseudo_id) as {{ dbt.type_bigint() }}) as users,
        {{ count_if('client_session_number = 1') }} as new_users,
        {{ sum_bigint('event_count') }} as events,
        {{ sum_bigint('page_view_count') }} as page_views,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec
    from numbered_sessions
    group by session_start_date, channel

),

orders as (

    select
        sessions.session_start_date as event_date,
        sessions.channel,
        cast(count(*) as {{ dbt.type_bigint() }}) as conversions,
        {{ sum_bigint('conversions.value_micros') }} as revenue_micros
    from {{ ref('int_conversions') }} as conversions
    inner join sessions on conversions.session_id = sessions.session_id
    where conversions.conversion_event = 'purchase'
    group by sessions.session_start_date, sessions.channel

),

final as (

    select
        traffic.event_date,
        traffic.channel,
        traffic.sessions,
        traffic.engaged_sessions,
        traffic.users,
        traffic.new_users,
        traffic.events,
        traffic.page_views,
        coalesce(orders.conversions, 0) as conversions,
        coalesce(orders.revenue_micros, 0) as revenue_micros,
        {{ amount('coalesce(orders.revenue_micros, 0)') }} as revenue,
        {{ ratio('traffic.page_views', 'traffic.sessions') }} as pages_per_session,
        {{ ratio('traffic.sessions', 'traffic.users') }} as sessions_per_user,
        {{ ratio('traffic.events', 'traffic.sessions') }} as events_per_session,
        {{ ratio('traffic.engaged_sessions', 'traffic.sessions') }} as engagement_rate,
        {{ ratio('coalesce(orders.conversions, 0)', 'traffic.sessions', 6) }} as conversion_rate,
        traffic.engagement_time_msec
    from traffic
    left join orders on traffic.event_date = orders.event_date and traffic.channel = orders.channel

)

select * from final
order by event_date, sessions desc, channel
