-- A stage counts if it was reached at or after the first moment of the stage before it; events of one batch share a moment.
{#-
    In live mode the differences that a batch makes are added to what is known of a day. A client counts for a day as long as
    one of its sessions does, so of the clients that the batch touches all sessions of the day are needed.
-#}
{%- set changes = changed('fact_sessions') -%}
{%- set scope = 'event_date in (select session_start_date from ' ~ changes ~ ')' -%}
{%- set clients = '(user_pseudo_id, session_start_date) in (select user_pseudo_id, session_start_date from ' ~ changes ~ ')' -%}
{{
    config(
        meta={
            'live': {
                'scope': scope,
                'reads': [{'ref': 'fact_sessions', 'where': clients}],
            },
        },
    )
}}
{%- set stages = ['session_start', 'page_view', 'purchase'] %}

with

{% if is_live() %}
client_sessions as (

    {% for relation in [ref('fact_sessions'), changes] %}
    select
        user_pseudo_id,
        session_start_date as event_date,
        page_view_after_start_timestamp as page_view_timestamp,
        last_purchase_timestamp,
        {{ '1' if loop.first else '0' }} as session_count,
        {{ '0' if loop.first else 'change_count' }} as session_change
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- Sessions of a client and day that are there now, and by how many they became more.
client_days as (

    select
        user_pseudo_id,
        event_date,
        sum(session_count) as session_start_count,
        sum(session_change) as session_start_change,
        sum(case when page_view_timestamp is not null then session_count else 0 end) as page_view_count,
        sum(case when page_view_timestamp is not null then session_change else 0 end) as page_view_change,
        sum(case when last_purchase_timestamp >= page_view_timestamp then session_count else 0 end) as purchase_count,
        sum(case when last_purchase_timestamp >= page_view_timestamp then session_change else 0 end) as purchase_change
    from client_sessions
    group by user_pseudo_id, event_date

),

parts as (

    select
        event_date,
        {% for name in stages %}
        {{ name }}_change as {{ name }}_sessions,
        case when {{ name }}_count > 0 then 1 else 0 end
            - case when {{ name }}_count - {{ name }}_change > 0 then 1 else 0 end as {{ name }}_users{{ ',' if not loop.last }}
        {% endfor %}
    from client_days
    union all
    select
        event_date,
        {% for name in stages %}
        case when stage = '{{ name }}' then sessions else 0 end as {{ name }}_sessions,
        case when stage = '{{ name }}' then users else 0 end as {{ name }}_users{{ ',' if not loop.last }}
        {% endfor %}
    from {{ this }}
    where {{ scope }}

),

days as (

    select
        event_date,
        {% for name in stages %}
        {{ sum_bigint(name ~ '_sessions') }} as {{ name }}_sessions,
        {{ sum_bigint(name ~ '_users') }} as {{ name }}_users{{ ',' if not loop.last }}
        {% endfor %}
    from parts
    group by event_date
    having sum(session_start_sessions) > 0

),
{% else %}
sessions as (

    select
        user_pseudo_id,
        session_start_date,
        page_view_after_start_timestamp as page_view_timestamp,
        last_purchase_timestamp
    from {{ ref('fact_sessions') }}

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
{% endif %}

final as (
    {% for stage in stages %}
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
