-- Sessions hold every event that has a session, and no other.
with

events as (

    select
        session_id,
        count(*) as event_count
    from {{ ref('fact_events') }}
    where session_id is not null
    group by session_id

)

select coalesce(events.session_id, sessions.session_id) as session_id
from events
full outer join {{ ref('fact_sessions') }} as sessions on events.session_id = sessions.session_id
where events.session_id is null
    or sessions.session_id is null
    or events.event_count <> sessions.event_count
