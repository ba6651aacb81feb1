{#-
    Incremental by day: one row per session and day, so that a late event changes its own day only and a session that
    crosses midnight is the sum of its rows. Days are compared by fact_events' day_fingerprint.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_date',
    )
}}

with

events as (

    select * from {{ ref('fact_events') }}

),

{% if is_incremental() %}
changed_days as (

    select
        days.event_date,
        days.day_fingerprint
    from (select distinct event_date, day_fingerprint from events) as days
    left join (select distinct event_date, day_fingerprint from {{ this }}) as known
        on days.event_date = known.event_date and days.day_fingerprint = known.day_fingerprint
    where known.event_date is null

),
{% endif %}

session_events as (

    select
        events.*,
        {{ event_order('events.') }} as event_order
    from events
    {% if is_incremental() %}
    inner join changed_days on events.event_date = changed_days.event_date
    {% endif %}
    where events.session_id is not null

),

session_days as (

    select
        session_id,
        event_date,
        min(day_fingerprint) as day_fingerprint,
        min(stream_id) as stream_id,
        min(user_pseudo_id) as user_pseudo_id,
        min(ga_session_id) as ga_session_id,
        min(session_number) as session_number,
        min(event_timestamp) as first_event_timestamp,
        max(event_timestamp) as last_event_timestamp,
        cast(count(*) as {{ dbt.type_bigint() }}) as event_count,
        {{ count_if("event_name = 'page_view'") }} as page_view_count,
        {{ count_if("event_name = 'purchase'") }} as purchase_count,
        {{ count_if("event_name = 'begin_checkout'") }} as begin_checkout_count,
        {{ count_if("event_name = 'generate_lead'") }} as lead_count,
        coalesce(max(session_engaged), 0) as session_engaged,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec,
        cast(count(engagement_time_msec) as {{ dbt.type_bigint() }}) as engagement_time_event_count,
        {{ sum_bigint('event_value_in_usd_micros') }} as event_value_in_usd_micros,
        cast(count(event_value_in_usd_micros) as {{ dbt.type_bigint() }}) as event_value_in_usd_count,
        {{ sum_bigint("case when event_name = 'purchase' then purchase_revenue_micros end") }} as purchase_revenue_micros,
        min(case when event_name = 'session_start' then event_timestamp end) as session_start_event_timestamp,
        min(case when event_name = 'page_view' then event_timestamp end) as first_page_view_timestamp,
        max(case when event_name = 'page_view' then event_timestamp end) as last_page_view_timestamp,
        min(case when event_name = 'purchase' then event_timestamp end) as first_purchase_timestamp,
        max(case when event_name = 'purchase' then event_timestamp end) as last_purchase_timestamp,
        max(exported_channel_group) as exported_channel_group,
        {{ last_by('user_id', 'event_order', 'user_id is not null') }} as user_id,
        {{ first_by('page_location', 'event_order', 'page_location is not null') }} as landing_page_location,
        {{ first_by(record({'device_category': 'device_category', 'geo_country': 'geo_country'}), 'event_order') }} as first_event,
        -- The campaign of the session is the one of its first event that has a source. session_start and first_visit
        -- copy what another event carries.
        {{ first_by(
            record({
                'event_timestamp': 'event_timestamp',
                'source': 'event_source',
                'medium': 'event_medium',
                'campaign': 'event_campaign',
                'content': 'event_content',
                'term': 'event_term',
                'click_id': 'click_id',
            }),
            'event_order',
            "event_source <> '(direct)' and event_name not in ('session_start', 'first_visit')"
        ) }} as source_event
    from session_events
    group by session_id, event_date

),

final as (

    select
        session_id,
        event_date,
        stream_id,
        user_pseudo_id,
        ga_session_id,
        user_id,
        session_number,
        first_event_timestamp,
        last_event_timestamp,
        event_count,
        page_view_count,
        purchase_count,
        begin_checkout_count,
        lead_count,
        session_engaged,
        engagement_time_msec,
        engagement_time_event_count,
        event_value_in_usd_micros,
        event_value_in_usd_count,
        purchase_revenue_micros,
        session_start_event_timestamp,
        first_page_view_timestamp,
        last_page_view_timestamp,
        first_purchase_timestamp,
        last_purchase_timestamp,
        landing_page_location,
        first_event.device_category as device_category,
        first_event.geo_country as geo_country,
        exported_channel_group,
        source_event.event_timestamp as source_event_timestamp,
        source_event.source as source,
        source_event.medium as medium,
        source_event.campaign as campaign,
        source_event.content as content,
        source_event.term as term,
        source_event.click_id as click_id,
        day_fingerprint
    from session_days

)

select * from final
