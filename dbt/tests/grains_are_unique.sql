-- Tables whose grain is more than one column; those of one column have a unique test.
{% set grains = {
    'stg_ga4_sessions': ['session_id', 'event_date'],
    'stg_clickstream_sessions': ['event_id', 'event_date'],
    'int_channels': ['source', 'medium', 'campaign', 'valid_from'],
    'int_user_journeys': ['conversion_id', 'touchpoint_number'],
    'mart_attribution_comparison': ['conversion_event', 'channel'],
    'mart_attribution_daily': ['conversion_date', 'conversion_event', 'attribution_model', 'channel'],
    'mart_channel_performance': ['event_date', 'channel'],
    'agg_sessions_daily': ['event_date', 'channel'],
    'agg_funnel_daily': ['event_date', 'stage'],
    'agg_retention_daily': ['cohort_date', 'day_n'],
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
