-- Tables of the Data API's reports whose grain is more than one column.
{% set grains = {
    'ga4_events_cleaned': ['property_id', 'event_date', 'session_source', 'session_medium', 'session_campaign_name', 'channel_group', 'device_category', 'country'],
    'ga4_kpis_daily': ['property_id', 'event_date', 'channel_group'],
    'ga4_event_names_daily': ['property_id', 'event_date', 'event_name'],
} %}
{% for model, columns in grains.items() %}
select '{{ model }}' as model_name, count(*) as repeated
from (
    select {{ columns | join(', ') }}
    from {{ ref(model) }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
) as repeats
having count(*) > 0
{{ 'union all' if not loop.last }}
{% endfor %}
