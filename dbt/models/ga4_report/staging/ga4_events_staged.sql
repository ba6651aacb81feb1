{#- Cleaned and validated: one row for each combination of a report's dimensions, as it was read last. -#}
{%- set dimensions = [
    'property_id', 'report_name', 'report_date', 'event_name', 'session_source', 'session_medium', 'session_campaign_name',
    'session_default_channel_group', 'device_category', 'country',
] -%}
{%- set counts = [
    'sessions', 'engaged_sessions', 'active_users', 'new_users', 'total_users', 'screen_page_views', 'event_count',
    'transactions',
] -%}

with

cleaned as (

    select
        coalesce(property_id, '(not set)') as property_id,
        coalesce(report_name, 'traffic') as report_name,
        report_date,
        {%- for name in dimensions[3:] %}
        coalesce(nullif(trim({{ name }}), ''), '(not set)') as {{ name }},
        {%- endfor %}
        {%- for name in counts %}
        {{ name }},
        {%- endfor %}
        key_events,
        {{ micros('purchase_revenue') }} as purchase_revenue_micros,
        currency_code,
        time_zone,
        coalesce(is_sampled, false) as is_sampled,
        coalesce(is_thresholded, false) as is_thresholded,
        coalesce(has_other_row, false) as has_other_row,
        source_object,
        ingested_timestamp
    from {{ ref('ga4_events_raw') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by {{ dimensions | join(', ') }}
            order by ingested_timestamp desc, source_object desc, event_count desc, sessions desc, total_users desc
        ) as reading_number
    from cleaned

),

final as (

    select
        {{ dimensions | join(',\n        ') }},
        {{ counts | join(',\n        ') }},
        key_events,
        purchase_revenue_micros,
        currency_code,
        time_zone,
        is_sampled,
        is_thresholded,
        has_other_row,
        source_object
    from ranked
    where reading_number = 1

)

select * from final
