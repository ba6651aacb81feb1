-- A stage counts if it was reached at or after the first moment of the stage before it; events of one batch share a moment.
with

sessions as (

    select
        session_id,
        user_pseudo_id,
        session_start_date,
        -- A session without session_start has begun with its first event all the same.
        coalesce(session_start_event_timestamp, session_start_timestamp) as started_timestamp,
        first_page_view_timestamp,
        last_page_view_timestamp,
        last_purchase_timestamp
    from {{ ref('fact_sessions') }}

),

-- Page views on both sides of session_start: only their events tell which was the first after it.
late_starts as (

    select
        sessions.session_id,
        min(events.event_timestamp) as page_view_timestamp
    from sessions
    inner join {{ ref('fact_events') }} as events
        on sessions.session_id = events.session_id
        and events.event_timestamp >= sessions.started_timestamp
    where sessions.first_page_view_timestamp < sessions.started_timestamp
        and sessions.last_page_view_timestamp >= sessions.started_timestamp
        and events.event_name = 'page_view'
    group by sessions.session_id

),

stages as (

    select
        sessions.session_id,
        sessions.user_pseudo_id,
        sessions.session_start_date,
        sessions.last_purchase_timestamp,
        case
            when sessions.first_page_view_timestamp >= sessions.started_timestamp then sessions.first_page_view_timestamp
            else late_starts.page_view_timestamp
        end as page_view_timestamp
    from sessions
    left join late_starts on sessions.session_id = late_starts.session_id

),

days as (

    select
        session_start_date as event_date,
        cast(count(*) as {{ dbt.type_bigint() }}) as session_start_sessions,
        cast(count(distinct user_pseudo_id) as {{ dbt.type_bigint() }}) as session_start_users,
        {{ count_if('page_view_timestamp is not null') }} as page_view_sessions,
        cast(count(distinct case when page_view_timestamp is not null then user_pseudo_id end) as {{ dbt.type_bigint() }}) as page_view_users,
        {{ count_if('last_purchase_timestamp >= page_view_timestamp') }} as purchase_sessions,
        cast(count(distinct case when last_purchase_timestamp >= page_view_timestamp then user_pseudo_id end) as {{ dbt.type_bigint() }}) as purchase_users
    from stages
    group by session_start_date

),

final as (
    {% for stage in ['session_start', 'page_view', 'purchase'] %}
    select
        event_date,
        {{ loop.index }} as stage_number,
        '{{ stage }}' as stage,
        {{ stage }}_sessions as sessions,
        {{ stage }}_users as users,
        {% if loop.first %}
        cast(null as {{ dbt.type_float() }}) as conversion_from_previous,
        {% else %}
        {{ ratio(stage ~ '_sessions', loop.previtem ~ '_sessions', 6) }} as conversion_from_previous,
        {% endif %}
        {{ ratio(stage ~ '_sessions', 'session_start_sessions', 6) }} as conversion_from_first
    from days
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
order by event_date, stage_number
