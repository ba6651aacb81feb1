with

events as (

    select * from {{ ref('fact_events') }} where user_pseudo_id is not null

),

users as (

    select
        user_pseudo_id,
        {{ last_by('user_id', event_order(), 'user_id is not null') }} as user_id,
        cast(count(distinct stream_id) as {{ dbt.type_bigint() }}) as stream_count,
        {{ first_by(
            record({
                'event_date': 'event_date',
                'event_timestamp': 'event_timestamp',
                'stream_id': 'stream_id',
                'device_category': 'device_category',
                'device_operating_system': 'device_operating_system',
                'device_browser': 'device_browser',
                'device_language': 'device_language',
                'geo_country': 'geo_country',
                'geo_region': 'geo_region',
                'geo_city': 'geo_city',
            }),
            event_order()
        ) }} as first_event,
        {{ first_by('page_location', event_order(), 'page_location is not null') }} as first_page_location,
        {{ last_by('event_date', event_order()) }} as last_seen_date,
        max(event_timestamp) as last_seen_timestamp,
        cast(count(*) as {{ dbt.type_bigint() }}) as event_count,
        {{ count_if("event_name = 'page_view'") }} as page_view_count,
        {{ count_if("event_name = 'purchase'") }} as purchase_count,
        {{ count_if("event_name = 'begin_checkout'") }} as begin_checkout_count,
        {{ count_if("event_name = 'generate_lead'") }} as lead_count,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec,
        {{ sum_bigint('event_value_in_usd_micros') }} as event_value_in_usd_micros,
        {{ sum_bigint("case when event_name = 'purchase' then purchase_revenue_micros end") }} as purchase_revenue_micros
    from events
    group by user_pseudo_id

),

user_sessions as (

    select
        user_pseudo_id,
        cast(count(*) as {{ dbt.type_bigint() }}) as session_count,
        {{ count_if('is_engaged') }} as engaged_session_count,
        {{ first_by(
            record({
                'source': 'source',
                'medium': 'medium',
                'campaign': 'campaign',
                'channel_group': 'channel_group',
                'channel': 'channel',
            }),
            record({'session_start_timestamp': 'session_start_timestamp', 'session_id': 'session_id'})
        ) }} as first_session
    from {{ ref('fact_sessions') }}
    group by user_pseudo_id

),

final as (

    select
        users.user_pseudo_id,
        users.user_id,
        users.first_event.stream_id as first_stream_id,
        users.stream_count,
        users.first_event.event_date as first_seen_date,
        users.first_event.event_timestamp as first_seen_timestamp,
        {{ timestamp_from_micros('users.first_event.event_timestamp') }} as first_seen_at,
        users.last_seen_date,
        users.last_seen_timestamp,
        {{ timestamp_from_micros('users.last_seen_timestamp') }} as last_seen_at,
        users.first_page_location,
        user_sessions.first_session.source as first_source,
        user_sessions.first_session.medium as first_medium,
        user_sessions.first_session.campaign as first_campaign,
        user_sessions.first_session.channel_group as first_channel_group,
        user_sessions.first_session.channel as first_channel,
        users.first_event.device_category as device_category,
        users.first_event.device_operating_system as device_operating_system,
        users.first_event.device_browser as device_browser,
        users.first_event.device_language as device_language,
        users.first_event.geo_country as geo_country,
        users.first_event.geo_region as geo_region,
        users.first_event.geo_city as geo_city,
        coalesce(user_sessions.session_count, 0) as session_count,
        coalesce(user_sessions.engaged_session_count, 0) as engaged_session_count,
        users.event_count,
        users.page_view_count,
        users.purchase_count,
        users.begin_checkout_count,
        users.lead_count,
        users.engagement_time_msec,
        users.event_value_in_usd_micros,
        users.purchase_revenue_micros
    from users
    left join user_sessions on users.user_pseudo_id = user_sessions.user_pseudo_id

)

select * from final
