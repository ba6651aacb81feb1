{# Order of the events of one client: batches share a timestamp, so their ordinals decide, at last the identity. #}
{% macro event_order(prefix='') -%}
    {{ record({
        'event_timestamp': prefix ~ 'event_timestamp',
        'batch_page_id': 'coalesce(' ~ prefix ~ 'batch_page_id, 0)',
        'batch_ordering_id': 'coalesce(' ~ prefix ~ 'batch_ordering_id, 0)',
        'batch_event_index': 'coalesce(' ~ prefix ~ 'batch_event_index, 0)',
        'event_id': prefix ~ 'event_id'
    }) }}
{%- endmacro %}

{# Key of a session; NULL if a part is NULL. #}
{% macro session_key(stream_id, session, user_pseudo_id) -%}
    {{ stream_id }} || '/' || {{ session }} || '/' || {{ user_pseudo_id }}
{%- endmacro %}

{# Name of the first click id in a URL. Only a URL that holds one pays for finding out which. #}
{% macro click_id_name(url) -%}
    case
        when {{ contains(url, "'clid='") }} or {{ contains(url, "'braid='") }}
            then {{ extract_group(url, '[?&#]([a-z]*(?:clid|braid))=') }}
    end
{%- endmacro %}

{# URL without the query parameters of var excluded_query_parameters. #}
{% macro cleaned_url(url) -%}
    {%- set names = var('excluded_query_parameters') -%}
    {%- if names -%}
        {%- set removed = replace_pattern(url, '([?&])(' ~ names | join('|') ~ ')=[^&#]*', '\\1') -%}
        {%- set joined = replace_pattern(removed, '([?&])&+', '\\1') -%}
        {{ replace_pattern(joined, '[?&]+(#|$)', '\\1') }}
    {%- else -%}
        {{ url }}
    {%- endif -%}
{%- endmacro %}

{# Host without scheme, port and a leading www. #}
{% macro url_hostname(url) -%}
    {{ extract_group(url, '^(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(?:www[.])?([^/:?#]*)') }}
{%- endmacro %}

{# Path without query and fragment; / if there is none. #}
{% macro url_path(url) -%}
    case
        when {{ matches(url, '^([A-Za-z][A-Za-z0-9+.-]*:)?//') }}
            then coalesce({{ extract_group(url, '^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*(/[^?#]*)') }}, '/')
        when {{ url }} is not null
            then coalesce({{ extract_group(url, '^[^/?#]*(/[^?#]*)') }}, '/')
    end
{%- endmacro %}

{# Query without question mark and fragment; NULL if there is none. #}
{% macro url_query_string(url) -%}
    {{ extract_group(url, '^[^?#]*[?]([^#]*)') }}
{%- endmacro %}
