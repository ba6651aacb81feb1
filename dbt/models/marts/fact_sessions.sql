{%- set scope = 'session_id in (select session_id from ' ~ changed('stg_ga4_sessions') ~ ')' -%}
{{
    config(
        meta={
            'live': {
                'scope': scope,
                'reads': [{'ref': 'stg_ga4_sessions', 'where': scope}],
                'day': 'session_start_date',
                'hot_days': live_hot_days(),
            },
        },
    )
}}

with

session_days as (

    select * from {{ ref('stg_ga4_sessions') }}

),

sessions as (

    select
        session_id,
        min(stream_id) as stream_id,
        min(user_pseudo_id) as user_pseudo_id,
        min(ga_session_id) as ga_session_id,
        {{ last_by('user_id', 'user_id_order', 'user_id_order is not null') }} as user_id,
        min(session_number) as session_number,
        min(first_event_timestamp) as session_start_timestamp,
        max(last_event_timestamp) as session_end_timestamp,
        {{ sum_bigint('event_count') }} as event_count,
        {{ sum_bigint('page_view_count') }} as page_view_count,
        {{ sum_bigint('purchase_count') }} as purchase_count,
        {{ sum_bigint('begin_checkout_count') }} as begin_checkout_count,
        {{ sum_bigint('lead_count') }} as lead_count,
        max(session_engaged) as session_engaged,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec,
        {{ sum_bigint('engagement_time_event_count') }} as engagement_time_event_count,
        {{ sum_bigint('event_value_in_usd_micros') }} as event_value_in_usd_micros,
        {{ sum_bigint('event_value_in_usd_count') }} as event_value_in_usd_count,
        {{ sum_bigint('purchase_revenue_micros') }} as purchase_revenue_micros,
        min(session_start_event_timestamp) as session_start_event_timestamp,
        min(first_page_view_timestamp) as first_page_view_timestamp,
        max(last_page_view_timestamp) as last_page_view_timestamp,
        min(case when page_view_timestamps is null then first_page_view_timestamp end) as page_view_after_day_start_timestamp,
        {{ collected_lists('page_view_timestamps') }} as page_view_timestamps,
        min(first_purchase_timestamp) as first_purchase_timestamp,
        max(last_purchase_timestamp) as last_purchase_timestamp,
        {{ first_by('landing_page_location', 'landing_page_order', 'landing_page_order is not null') }} as landing_page_location,
        {{ first_by(
            record({'event_date': 'event_date', 'device_category': 'device_category', 'geo_country': 'geo_country'}),
            'first_event_order'
        ) }} as first_day,
        max(exported_channel_group) as exported_channel_group,
        {{ first_by(
            record({
                'event_timestamp': 'source_event_timestamp',
                'source': 'source',
                'medium': 'medium',
                'campaign': 'campaign',
                'content': 'content',
                'term': 'term',
                'click_id': 'click_id',
            }),
            'source_event_order',
            'source_event_order is not null'
        ) }} as source_event
    from session_days
    group by session_id

),

named as (

    select
        *,
        first_day.event_date as session_start_date,
        first_day.device_category as device_category,
        first_day.geo_country as geo_country,
        coalesce(source_event.source, '(direct)') as source,
        coalesce(source_event.medium, '(none)') as medium,
        coalesce(source_event.campaign, '(none)') as campaign,
        coalesce(source_event.content, '(none)') as content,
        coalesce(source_event.term, '(none)') as term,
        -- A session without session_start has begun with its first event all the same.
        coalesce(session_start_event_timestamp, session_start_timestamp) as started_timestamp
    from sessions

),

final as (

    select
        named.session_id,
        named.user_pseudo_id,
        named.stream_id,
        named.ga_session_id,
        named.user_id,
        named.session_number,
        named.session_start_date,
        named.session_start_timestamp,
        named.session_end_timestamp,
        {{ timestamp_from_micros('named.session_start_timestamp') }} as session_start_at,
        {{ timestamp_from_micros('named.session_end_timestamp') }} as session_end_at,
        {{ whole_seconds('(named.session_end_timestamp - named.session_start_timestamp)') }} as duration_seconds,
        named.session_engaged = 1 as is_engaged,
        named.engagement_time_msec,
        named.engagement_time_event_count,
        named.event_count,
        named.page_view_count,
        named.purchase_count,
        named.begin_checkout_count,
        named.lead_count,
        named.event_value_in_usd_micros,
        named.event_value_in_usd_count,
        named.purchase_revenue_micros,
        named.session_start_event_timestamp,
        named.first_page_view_timestamp,
        named.last_page_view_timestamp,
        least(
            named.page_view_after_day_start_timestamp,
            {{ least_from('named.page_view_timestamps', 'named.started_timestamp') }}
        ) as page_view_after_start_timestamp,
        named.first_purchase_timestamp,
        named.last_purchase_timestamp,
        named.landing_page_location,
        named.source,
        named.medium,
        named.campaign,
        named.content,
        named.term,
        channels.source_category,
        channels.channel_group,
        channels.channel,
        named.exported_channel_group,
        named.source_event.click_id as click_id,
        named.source_event.event_timestamp as source_event_timestamp,
        named.device_category,
        named.geo_country
    from named
    inner join {{ ref('int_channels') }} as channels
        on named.source = channels.source
        and named.medium = channels.medium
        and named.campaign = channels.campaign
        and channels.valid_from <= {{ rules_date('named.session_start_date') }}
        and channels.valid_to > {{ rules_date('named.session_start_date') }}

)

select * from final
