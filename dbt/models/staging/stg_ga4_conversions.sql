{%- set scope = 'conversion_id in (select event_id from ' ~ changed('fact_events') ~ ')' -%}
{{
    config(
        materialized='table',
        meta={'live': {'scope': scope, 'day': 'conversion_date', 'hot_days': live_hot_days()}},
    )
}}

with

final as (

    select
        event_id as conversion_id,
        event_name as conversion_event,
        event_date as conversion_date,
        event_timestamp as conversion_timestamp,
        event_at as conversion_at,
        stream_id,
        user_pseudo_id,
        user_id,
        session_id,
        transaction_id,
        currency,
        coalesce({{ var('conversion_value_columns') | join(', ') }}, 0) as value_micros,
        batch_page_id,
        batch_ordering_id,
        batch_event_index,
        day_fingerprint
    from {{ ref('fact_events') }}
    where event_name in {{ literals(var('conversion_events')) }}

)

select * from final
