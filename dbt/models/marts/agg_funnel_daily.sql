-- A stage counts if it was reached at or after the first moment of the stage before it; events of one batch share a moment.
{%- set changed_dates = '(select session_start_date from ' ~ changed('fact_sessions') ~ ')' -%}
{{ config(meta={'live': {'scope': 'event_date in ' ~ changed_dates}}) }}

with

sessions as (

    select
        user_pseudo_id,
        session_start_date,
        page_view_after_start_timestamp as page_view_timestamp,
        last_purchase_timestamp
    from {{ ref('fact_sessions') }}
    {% if is_live() %}
    where session_start_date in {{ changed_dates }}
    {% endif %}

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
    from sessions
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
        cast(null as {{ double() }}) as conversion_from_previous,
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
