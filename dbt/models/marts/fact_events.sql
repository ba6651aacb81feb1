{#-
    Incremental by day. day_fingerprint is the state of a day in the sources (records, moments of loading) and of its
    clickstream sessions. A day whose fingerprint differs from the one this table was built from is computed again as a
    whole, so late records, duplicates, erased records and replaced shards are all the same case. (A day that vanished from
    the sources altogether goes with --full-refresh.)
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_date',
        meta={'settles': true, 'live': {'scope': 'false', 'day': 'event_date'}},
    )
}}

with

{% if not is_live() %}
source_days as (

    select
        event_day,
        cast(count(*) as {{ dbt.type_string() }})
            || '/' || cast(min(ingested_timestamp) as {{ dbt.type_string() }})
            || '/' || cast(max(ingested_timestamp) as {{ dbt.type_string() }}) as records_fingerprint
    from {{ ref('stg_events') }}
    group by event_day

),

clickstream_days as (

    select
        event_date,
        cast(sum(ga_session_id) as {{ dbt.type_string() }}) as sessions_fingerprint
    from {{ ref('stg_clickstream_sessions') }}
    group by event_date

),

-- The text of a day is read once a day, not once an event.
dated_days as (

    select
        event_day,
        {{ date_from_yyyymmdd('event_day') }} as event_date,
        records_fingerprint
    from source_days

),

days as (

    select
        source_days.event_day,
        source_days.event_date,
        source_days.records_fingerprint || coalesce('/' || clickstream_days.sessions_fingerprint, '') as day_fingerprint
    from dated_days as source_days
    left join clickstream_days on source_days.event_date = clickstream_days.event_date

),

changed_days as (

    select
        days.event_day,
        days.event_date,
        days.day_fingerprint
    from days
    {% if is_incremental() %}
    left join ({{ day_states(this) }}) as known
        on days.event_date = known.event_date and days.day_fingerprint = known.day_fingerprint
    where known.event_date is null
    {% endif %}

),

-- Records of one event: few, so they are found by identity alone, before any wide row is read.
duplicated as (

    select
        events.event_id,
        count(*) as source_row_count
    from {{ ref('stg_events') }} as events
    inner join changed_days on events.event_day = changed_days.event_day
    group by events.event_id
    having count(*) > 1

),

ranked_duplicates as (

    select
        events.event_id,
        events.source_object,
        events.source_line,
        duplicated.source_row_count,
        row_number() over (
            partition by events.event_id
            order by events.ingested_timestamp, events.event_day, events.source_object, events.source_line
        ) as record_number
    from {{ ref('stg_events') }} as events
    inner join changed_days on events.event_day = changed_days.event_day
    inner join duplicated on events.event_id = duplicated.event_id

),

kept_duplicates as (

    select * from ranked_duplicates where record_number = 1

),

{% if is_incremental() %}
-- The same event under another day that is not computed again: it is there already.
present_elsewhere as (

    select distinct present.event_id
    from {{ this }} as present
    inner join {{ ref('stg_events') }} as events
        on present.event_timestamp = events.event_timestamp and present.event_id = events.event_id
    inner join changed_days on events.event_day = changed_days.event_day
    where present.event_date not in (select event_date from changed_days)

),
{% endif %}
{% endif %}

-- Live mode finds what is there already before it calls the models.
joined as (

    select
        events.*,
        {% if is_live() %}
        events.event_date as known_date,
        'live' as day_fingerprint,
        cast(1 as {{ dbt.type_bigint() }}) as source_row_count,
        {% else %}
        changed_days.event_date as known_date,
        changed_days.day_fingerprint,
        coalesce(kept_duplicates.source_row_count, 1) as source_row_count,
        {% endif %}
        coalesce(events.ga_session_id, clickstream.ga_session_id) as known_session_id,
        click_ids.click_id as known_click_id,
        click_ids.source as click_source,
        click_ids.medium as click_medium,
        click_ids.campaign as click_campaign
    from {{ ref('stg_events') }} as events
    {% if not is_live() %}
    inner join changed_days on events.event_day = changed_days.event_day
    left join kept_duplicates on events.event_id = kept_duplicates.event_id
    {% if is_incremental() %}
    left join present_elsewhere on events.event_id = present_elsewhere.event_id
    {% endif %}
    {% endif %}
    left join {{ ref('stg_clickstream_sessions') }} as clickstream
        on events.event_id = clickstream.event_id
        and {{ 'events' if is_live() else 'changed_days' }}.event_date = clickstream.event_date
    left join {{ ref('click_ids') }} as click_ids
        on events.page_click_id = click_ids.click_id
        and click_ids.is_deciding
    {% if not is_live() %}
    where (
            kept_duplicates.event_id is null
            or (
                events.source_object = kept_duplicates.source_object
                and events.source_line = kept_duplicates.source_line
            )
        )
        {% if is_incremental() %}
        and present_elsewhere.event_id is null
        {% endif %}
    {% endif %}

),

final as (

    select
        event_id,
        known_date as event_date,
        event_timestamp,
        event_at,
        event_name,
        stream_id,
        platform,
        user_pseudo_id,
        user_id,
        known_session_id as ga_session_id,
        {{ session_key('stream_id', 'coalesce(client_session_id, cast(known_session_id as ' ~ dbt.type_string() ~ '))', 'user_pseudo_id') }} as session_id,
        session_number,
        session_engaged,
        engagement_time_msec,
        is_entrance,
        original_page_location,
        original_page_referrer,
        page_location,
        page_referrer,
        page_title,
        content_group,
        coalesce(exported_source, click_source) as event_source,
        case
            when click_medium is not null and (exported_medium is null or exported_medium = 'organic') then click_medium
            else exported_medium
        end as event_medium,
        case
            when click_campaign is not null and (exported_campaign is null or exported_campaign in ('organic', '(organic)'))
                then click_campaign
            else exported_campaign
        end as event_campaign,
        event_content,
        event_term,
        case
            when exported_source is null
                or exported_medium is null or exported_medium = 'organic'
                or exported_campaign is null or exported_campaign in ('organic', '(organic)')
                then known_click_id
        end as click_id,
        exported_channel_group,
        user_source,
        user_medium,
        user_campaign,
        device_category,
        device_operating_system,
        device_browser,
        device_language,
        geo_country,
        geo_region,
        geo_city,
        transaction_id,
        currency,
        event_value_micros,
        event_value_in_usd,
        event_value_in_usd_micros,
        purchase_revenue_micros,
        purchase_revenue_in_usd_micros,
        item_quantity,
        first_touch_timestamp,
        is_active_user,
        batch_page_id,
        batch_ordering_id,
        batch_event_index,
        source_row_count,
        source_object,
        source_line,
        day_fingerprint
    from joined

)

select * from final
