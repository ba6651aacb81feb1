{#- Incremental by day; macros/bookmarks.sql says how. The products are only in the source, not in fact_events. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_date',
        meta={'settles': true},
    )
}}
{%- set events = source('clickstream', 'clickstream') -%}

with

source_events as (

    {% if source_exists(events) %}
    select
        event_id,
        event_date,
        event_type,
        product_id,
        quantity,
        {{ micros_from_timestamp('_shoplake_ingested_at') }} as ingested_timestamp
    from {{ events }}
    where product_id is not null
    {% else %}
    select
        cast(null as {{ dbt.type_string() }}) as event_id,
        cast(null as date) as event_date,
        cast(null as {{ dbt.type_string() }}) as event_type,
        cast(null as {{ dbt.type_string() }}) as product_id,
        cast(null as {{ dbt.type_bigint() }}) as quantity,
        cast(null as {{ dbt.type_bigint() }}) as ingested_timestamp
    where false
    {% endif %}

),

changed_days as (

    {{ changed_days('source_events', 'event_date') }}

),

events as (

    -- A record delivered twice is one event.
    select
        source_events.event_id,
        source_events.event_date,
        upper(trim(min(source_events.product_id))) as product_id,
        lower(replace(trim(min(source_events.event_type)), ' ', '_')) as event_type,
        min(source_events.quantity) as quantity,
        min(changed_days.day_fingerprint) as day_fingerprint
    from source_events
    inner join changed_days on source_events.event_date = changed_days.event_date
    group by source_events.event_id, source_events.event_date

),

named as (

    select
        event_date,
        product_id,
        quantity,
        day_fingerprint,
        case event_type
            {% for type, name in var('clickstream_event_names').items() %}
            when '{{ type }}' then '{{ name }}'
            {% endfor %}
            else event_type
        end as event_name
    from events

),

final as (

    select
        event_date,
        product_id,
        {{ count_if("event_name = 'view_item'") }} as views,
        {{ count_if("event_name = 'add_to_cart'") }} as cart_adds,
        {{ count_if("event_name = 'purchase'") }} as purchases,
        {{ sum_bigint("case when event_name = 'purchase' then quantity end") }} as purchased_quantity,
        min(day_fingerprint) as day_fingerprint
    from named
    group by event_date, product_id

)

select * from final
