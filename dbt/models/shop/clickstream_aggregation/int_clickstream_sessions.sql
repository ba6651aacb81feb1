{#-
    Sessions by the gap rule alone: a visitor's events of var clickstream_platforms, cut where session_timeout_minutes pass
    without one, whatever session the tracker names. Reads fact_events, whose bookmark is the day.
-#}
{%- set whole = dbt.type_bigint() -%}

with

events as (

    select
        user_pseudo_id,
        event_id,
        event_timestamp,
        event_at,
        event_name,
        {{ url_path('page_location') }} as page_path,
        device_category,
        geo_country,
        currency,
        purchase_revenue_micros
    from {{ ref('fact_events') }}
    where platform in {{ literals(var('clickstream_platforms')) }}
        and user_pseudo_id is not null

),

gaps as (

    select
        *,
        event_timestamp - lag(event_timestamp) over (
            partition by user_pseudo_id order by event_timestamp, event_id
        ) as micros_since_previous
    from events

),

numbered as (

    select
        *,
        cast(sum(
            case
                when micros_since_previous is null then 1
                when micros_since_previous > {{ var('session_timeout_minutes') }} * 60000000 then 1
                else 0
            end
        ) over (
            partition by user_pseudo_id
            order by event_timestamp, event_id
            rows between unbounded preceding and current row
        ) as {{ whole }}) as session_number
    from gaps

),

final as (

    select
        user_pseudo_id,
        session_number,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        cast(min(event_at) as date) as session_date,
        cast((max(event_timestamp) - min(event_timestamp)) / 1000000 as {{ whole }}) as duration_seconds,
        cast(count(*) as {{ whole }}) as event_count,
        {{ count_if("event_name = 'page_view'") }} as page_views,
        {{ count_if("event_name = 'view_item'") }} as product_views,
        {{ count_if("event_name = 'add_to_cart'") }} as cart_adds,
        {{ count_if("event_name = 'begin_checkout'") }} as checkouts,
        {{ count_if("event_name = 'purchase'") }} as purchases,
        {{ sum_bigint('purchase_revenue_micros') }} as revenue_micros,
        {{ first_by('page_path', record({'t': 'event_timestamp', 'e': 'event_id'}), 'page_path is not null') }} as landing_path,
        {{ last_by('page_path', record({'t': 'event_timestamp', 'e': 'event_id'}), 'page_path is not null') }} as exit_path,
        {{ first_by('device_category', record({'t': 'event_timestamp', 'e': 'event_id'})) }} as device_category,
        {{ first_by('geo_country', record({'t': 'event_timestamp', 'e': 'event_id'})) }} as country
    from numbered
    group by user_pseudo_id, session_number

)

select * from final
