{#-
    Events of the platforms of var clickstream_platforms that carry no session id: a gap of more than session_timeout_minutes
    begins a session.
    An event that arrives late can move the start of a session or join two. In live mode fact_events keeps what it has of
    them until the next build, which sees it by the fingerprint of the day.
-#}
{%- set condition -%}
    platform in {{ literals(var('clickstream_platforms')) }}
    and ga_session_id is null
    and client_session_id is null
    and user_pseudo_id is not null
    and stream_id is not null
{%- endset -%}
{%- set scope -%}
    (stream_id, user_pseudo_id) in (select stream_id, user_pseudo_id from {{ "{{ ref('stg_events') }}" }} where {{ condition | trim }})
{%- endset -%}
{{
    config(
        materialized='table',
        meta={'live': {'scope': scope | trim, 'day': 'event_date', 'hot_days': live_hot_days()}},
    )
}}

with

new_events as (

    -- A record delivered twice is one event.
    select
        event_id,
        event_date,
        stream_id,
        user_pseudo_id,
        min(event_timestamp) as event_timestamp
    from {{ ref('stg_events') }}
    where {{ condition | trim }}
    group by event_id, event_date, stream_id, user_pseudo_id

),

events as (

    select
        *,
        {{ whole_seconds('event_timestamp') }} as first_second
    from new_events
    {% if is_live() %}
    union all
    select
        event_id,
        event_date,
        stream_id,
        user_pseudo_id,
        event_timestamp,
        ga_session_id as first_second
    from {{ this }}
    where (stream_id, user_pseudo_id) in (select stream_id, user_pseudo_id from new_events)
    {% endif %}

),

gaps as (

    select
        *,
        event_timestamp - lag(event_timestamp) over (
            partition by stream_id, user_pseudo_id order by event_timestamp, event_id, event_date
        ) as micros_since_previous
    from events

),

numbered as (

    select
        *,
        sum(
            case
                when micros_since_previous is null then 1
                when micros_since_previous > {{ var('session_timeout_minutes') }} * 60000000 then 1
                else 0
            end
        ) over (
            partition by stream_id, user_pseudo_id
            order by event_timestamp, event_id, event_date
            rows between unbounded preceding and current row
        ) as gap_count
    from gaps

),

final as (

    select
        event_id,
        event_date,
        stream_id,
        user_pseudo_id,
        event_timestamp,
        min(first_second) over (partition by stream_id, user_pseudo_id, gap_count) as ga_session_id
    from numbered

)

select * from final
