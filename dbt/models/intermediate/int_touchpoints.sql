{%- set dedupe = var('touchpoint_dedupe') -%}
{%- if dedupe not in ['channel_day', 'session', 'none'] -%}
    {{ exceptions.raise_compiler_error("var touchpoint_dedupe is '" ~ dedupe ~ "'; it may be channel_day, session or none") }}
{%- endif -%}

{#- Touchpoints of a client and day decide which of them count. -#}
{%- if dedupe == 'none' -%}
    {%- set scope = 'session_id in (select session_id from ' ~ changed('fact_sessions') ~ ')' -%}
    {%- set reads = [{'ref': 'fact_sessions', 'where': scope}, {'ref': 'stg_ga4_sessions', 'where': scope}] -%}
{%- else -%}
    {%- set days = '(select user_pseudo_id, session_start_date from ' ~ changed('fact_sessions') ~ ')' -%}
    {%- set scope = '(user_pseudo_id, touchpoint_date) in ' ~ days -%}
    {%- set reads = [{'ref': 'fact_sessions', 'where': '(user_pseudo_id, session_start_date) in ' ~ days}] -%}
{%- endif -%}
{{
    config(
        meta={
            'live': {'scope': scope, 'reads': reads, 'day': 'touchpoint_date', 'hot_days': live_hot_days()},
        },
    )
}}

with

sessions as (

    select * from {{ ref('fact_sessions') }}

),

{% if dedupe == 'none' %}
candidates as (

    -- Every day of a session is a touchpoint of its own.
    select
        sessions.session_id || '/' || cast(session_days.event_date as {{ dbt.type_string() }}) as touchpoint_id,
        sessions.session_id,
        sessions.user_pseudo_id,
        session_days.event_date as touchpoint_date,
        session_days.first_event_timestamp as touchpoint_timestamp,
        sessions.source,
        sessions.medium,
        sessions.campaign,
        sessions.channel_group,
        sessions.channel
    from {{ ref('stg_ga4_sessions') }} as session_days
    inner join sessions on session_days.session_id = sessions.session_id

),
{% else %}
candidates as (

    select
        session_id as touchpoint_id,
        session_id,
        user_pseudo_id,
        session_start_date as touchpoint_date,
        session_start_timestamp as touchpoint_timestamp,
        source,
        medium,
        campaign,
        channel_group,
        channel
    from sessions

),
{% endif %}

ranked as (

    select
        *,
        {% if dedupe == 'channel_day' %}
        row_number() over (
            partition by user_pseudo_id, touchpoint_date, channel
            order by touchpoint_timestamp, touchpoint_id
        ) as occurrence
        {% else %}
        1 as occurrence
        {% endif %}
    from candidates

),

final as (

    select
        touchpoint_id,
        session_id,
        user_pseudo_id,
        touchpoint_date,
        touchpoint_timestamp,
        {{ timestamp_from_micros('touchpoint_timestamp') }} as touchpoint_at,
        source,
        medium,
        campaign,
        channel_group,
        channel
    from ranked
    where occurrence = 1

)

select * from final
