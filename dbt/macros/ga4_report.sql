{#
    The KPIs of a row of a report. Sessions per user divides by the users of that very row: users of several rows may not
    be summed, so each grain has its own report.
-#}
{% macro ga4_kpis() -%}
        {{ ratio('screen_page_views', 'sessions') }} as pages_per_session,
        {{ ratio('sessions', 'total_users') }} as sessions_per_user,
        {{ ratio('event_count', 'sessions') }} as events_per_session,
        {{ ratio('engaged_sessions', 'sessions') }} as engagement_rate,
        {{ ratio('transactions', 'sessions') }} as transaction_rate
{%- endmacro %}

{# The measures of a report as they were read, with revenue for display. #}
{% macro ga4_measures() -%}
        sessions,
        engaged_sessions,
        active_users,
        new_users,
        total_users,
        screen_page_views,
        event_count,
        key_events,
        transactions,
        purchase_revenue_micros,
        {{ amount('purchase_revenue_micros') }} as purchase_revenue,
        currency_code
{%- endmacro %}
