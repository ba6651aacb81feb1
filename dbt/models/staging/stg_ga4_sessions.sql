{#-
    Incremental by day: one row per session and day, so that a late event changes its own day only and a session that
    crosses midnight is the sum of its rows. Days are compared by fact_events' day_fingerprint.

    Every event is a row of counts and moments, and a row of this table is the sum of such rows. So in live mode the rows of
    a batch are added to those that are already there. For that a row keeps the places in the order of events (*_order) that
    its first and last values were taken from.
-#}
{%- set scope = '(session_id, event_date) in (select session_id, event_date from ' ~ changed('fact_events') ~ ')' -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_date',
        meta={'settles': true, 'live': {'scope': scope, 'day': 'event_date', 'hot_days': live_hot_days()}},
    )
}}

with

events as (

    select * from {{ ref('fact_events') }}

),

{% if is_incremental_build() %}
changed_days as (

    select days.event_date
    from ({{ day_states('events') }}) as days
    left join ({{ day_states(this) }}) as known
        on days.event_date = known.event_date and days.day_fingerprint = known.day_fingerprint
    where known.event_date is null

),
{% endif %}

session_events as (

    select
        events.*,
        {{ event_order('events.') }} as event_order,
        -- session_start and first_visit copy what another event carries.
        coalesce(
            events.event_source <> '(direct)' and events.event_name not in ('session_start', 'first_visit'), false
        ) as has_source
    from events
    {% if is_incremental_build() %}
    inner join changed_days on events.event_date = changed_days.event_date
    {% endif %}
    where events.session_id is not null

),

parts as (

    select
        session_id,
        event_date,
        stream_id,
        user_pseudo_id,
        ga_session_id,
        session_number,
        event_timestamp as first_event_timestamp,
        event_timestamp as last_event_timestamp,
        1 as event_count,
        case when event_name = 'page_view' then 1 end as page_view_count,
        case when event_name = 'purchase' then 1 end as purchase_count,
        case when event_name = 'begin_checkout' then 1 end as begin_checkout_count,
        case when event_name = 'generate_lead' then 1 end as lead_count,
        session_engaged,
        engagement_time_msec,
        case when engagement_time_msec is not null then 1 end as engagement_time_event_count,
        event_value_in_usd_micros,
        case when event_value_in_usd_micros is not null then 1 end as event_value_in_usd_count,
        case when event_name = 'purchase' then purchase_revenue_micros end as purchase_revenue_micros,
        case when event_name = 'session_start' then event_timestamp end as session_start_event_timestamp,
        case when event_name = 'page_view' then event_timestamp end as first_page_view_timestamp,
        case when event_name = 'page_view' then event_timestamp end as last_page_view_timestamp,
        case when event_name = 'purchase' then event_timestamp end as first_purchase_timestamp,
        case when event_name = 'purchase' then event_timestamp end as last_purchase_timestamp,
        exported_channel_group,
        event_order as first_event_order,
        device_category,
        geo_country,
        user_id,
        case when user_id is not null then event_order end as user_id_order,
        page_location as landing_page_location,
        case when page_location is not null then event_order end as landing_page_order,
        event_timestamp as source_event_timestamp,
        event_source as source,
        event_medium as medium,
        event_campaign as campaign,
        event_content as content,
        event_term as term,
        click_id,
        case when has_source then event_order end as source_event_order,
        {% if is_live() %}
        cast(null as {{ dbt.type_bigint() }}[]) as page_view_timestamps,
        {% endif %}
        day_fingerprint
    from session_events
    {% if is_live() %}

    union all

    select
        session_id,
        event_date,
        stream_id,
        user_pseudo_id,
        ga_session_id,
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
        exported_channel_group,
        first_event_order,
        device_category,
        geo_country,
        user_id,
        user_id_order,
        landing_page_location,
        landing_page_order,
        source_event_timestamp,
        source,
        medium,
        campaign,
        content,
        term,
        click_id,
        source_event_order,
        page_view_timestamps,
        'live' as day_fingerprint
    from {{ this }}
    where {{ scope }}
    {% endif %}

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
        min(first_event_timestamp) as first_event_timestamp,
        max(last_event_timestamp) as last_event_timestamp,
        {{ sum_bigint('event_count') }} as event_count,
        {{ sum_bigint('page_view_count') }} as page_view_count,
        {{ sum_bigint('purchase_count') }} as purchase_count,
        {{ sum_bigint('begin_checkout_count') }} as begin_checkout_count,
        {{ sum_bigint('lead_count') }} as lead_count,
        coalesce(max(session_engaged), 0) as session_engaged,
        {{ sum_bigint('engagement_time_msec') }} as engagement_time_msec,
        {{ sum_bigint('engagement_time_event_count') }} as engagement_time_event_count,
        {{ sum_bigint('event_value_in_usd_micros') }} as event_value_in_usd_micros,
        {{ sum_bigint('event_value_in_usd_count') }} as event_value_in_usd_count,
        {{ sum_bigint('purchase_revenue_micros') }} as purchase_revenue_micros,
        min(session_start_event_timestamp) as session_start_event_timestamp,
        min(first_page_view_timestamp) as first_page_view_timestamp,
        max(last_page_view_timestamp) as last_page_view_timestamp,
        {{ collected('first_page_view_timestamp') }} as collected_page_views,
        {% if is_live() %}
        max(page_view_timestamps) as known_page_views,
        {% endif %}
        min(first_purchase_timestamp) as first_purchase_timestamp,
        max(last_purchase_timestamp) as last_purchase_timestamp,
        max(exported_channel_group) as exported_channel_group,
        {{ first_by(
            record({'place': 'first_event_order', 'device_category': 'device_category', 'geo_country': 'geo_country'}),
            'first_event_order'
        ) }} as first_event,
        {{ last_by(
            record({'place': 'user_id_order', 'user_id': 'user_id'}),
            'user_id_order',
            'user_id_order is not null'
        ) }} as last_user,
        {{ first_by(
            record({'place': 'landing_page_order', 'page_location': 'landing_page_location'}),
            'landing_page_order',
            'landing_page_order is not null'
        ) }} as landing_page,
        -- The campaign of the session is the one of its first event that has a source.
        {{ first_by(
            record({
                'place': 'source_event_order',
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
    from parts
    group by session_id, event_date

),

-- Page views of which any can turn out to be the first after the start of the session, which late events move to earlier
-- moments only. If the first page view follows the start, it is that one.
with_page_views as (

    select
        *,
        case
            when first_page_view_timestamp is null or first_page_view_timestamp >= session_start_event_timestamp then null
            else {{ values_up_to('sorted_page_views', least_from('sorted_page_views', 'session_start_event_timestamp')) }}
        end as page_view_timestamps
    from (
        select
            *,
            {{ sorted_values('collected_page_views', 'known_page_views' if is_live() else none) }} as sorted_page_views
        from session_days
    ) as session_days

),

final as (

    select
        session_id,
        event_date,
        stream_id,
        user_pseudo_id,
        ga_session_id,
        last_user.user_id as user_id,
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
        page_view_timestamps,
        first_purchase_timestamp,
        last_purchase_timestamp,
        landing_page.page_location as landing_page_location,
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
        first_event.place as first_event_order,
        last_user.place as user_id_order,
        landing_page.place as landing_page_order,
        source_event.place as source_event_order,
        day_fingerprint
    from with_page_views

)

select * from final
