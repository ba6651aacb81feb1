-- Platforms of var clickstream_platforms send no session id: a gap of more than session_timeout_minutes begins a session.
{{ config(materialized='table') }}

with

events as (

    -- A record delivered twice is one event.
    select
        event_id,
        event_date,
        stream_id,
        user_pseudo_id,
        min(event_timestamp) as event_timestamp
    from {{ ref('stg_ga4_events') }}
    where platform in {{ literals(var('clickstream_platforms')) }}
        and ga_session_id is null
        and user_pseudo_id is not null
        and stream_id is not null
    group by event_id, event_date, stream_id, user_pseudo_id

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
        ) as session_number
    from gaps

),

started as (

    select
        *,
        min(event_timestamp) over (partition by stream_id, user_pseudo_id, session_number) as started_timestamp
    from numbered

),

final as (

    select
        event_id,
        event_date,
        stream_id,
        user_pseudo_id,
        event_timestamp,
        cast(session_number as {{ dbt.type_bigint() }}) as session_number,
        {{ whole_seconds('started_timestamp') }} as ga_session_id
    from started

)

select * from final
