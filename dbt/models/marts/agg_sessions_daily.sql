{%- set changed_dates = '(select session_start_date from ' ~ changed('fact_sessions') ~ ')' -%}
{{ config(meta={'live': {'scope': 'event_date in ' ~ changed_dates}}) }}

with

sessions as (

    select
        session_start_date,
        channel
    from {{ ref('fact_sessions') }}
    {% if is_live() %}
    where session_start_date in {{ changed_dates }}
    {% endif %}

),

final as (

    select
        session_start_date as event_date,
        channel,
        cast(count(*) as {{ dbt.type_bigint() }}) as sessions
    from sessions
    group by session_start_date, channel

)

select * from final
