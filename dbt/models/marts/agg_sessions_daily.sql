{#- In live mode the sessions that a batch adds and removes are counted on top of what is known of their days. -#}
{%- set changes = changed('fact_sessions') -%}
{%- set scope = 'event_date in (select session_start_date from ' ~ changes ~ ')' -%}
{{ config(meta={'live': {'scope': scope}}) }}

{%- do ref('fact_sessions') -%}

with

sessions as (

    {% if is_live() %}
    select
        event_date,
        channel,
        sessions
    from {{ this }}
    where {{ scope }}
    union all
    select
        session_start_date as event_date,
        channel,
        change_count as sessions
    from {{ changes }}
    {% else %}
    select
        session_start_date as event_date,
        channel,
        1 as sessions
    from {{ ref('fact_sessions') }}
    {% endif %}

),

final as (

    select
        event_date,
        channel,
        {{ sum_bigint('sessions') }} as sessions
    from sessions
    group by event_date, channel
    {% if is_live() %}
    having sum(sessions) > 0
    {% endif %}

)

select * from final
