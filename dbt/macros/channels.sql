{# Day whose version of the channel rules decides for a session, by var channel_rules_as_of. #}
{% macro rules_date(session_date) -%}
    {%- if var('channel_rules_as_of') == 'session_date' -%}
        {{ session_date }}
    {%- else -%}
        cast('{{ var("channel_rules_as_of") }}' as date)
    {%- endif -%}
{%- endmacro %}
