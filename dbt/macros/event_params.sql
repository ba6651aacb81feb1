{#
    Reads keys out of GA4's arrays of {key, value {string_value, int_value, float_value, double_value}}.

    Two steps, so that an engine looks at each array once: event_param_keys() gives the array of keys, to be selected under
    a name in one CTE; event_param() in the next CTE finds a key's position there and takes the value struct. The first
    entry of a key counts if it occurs twice. The result is a struct; the readers below take a type out of it.
#}

{% macro event_param_keys(params) -%}
    {{ return(adapter.dispatch('event_param_keys', 'shoplake')(params)) }}
{%- endmacro %}

{% macro duckdb__event_param_keys(params) -%}
    list_transform({{ params }}, param -> param.key)
{%- endmacro %}

{% macro default__event_param_keys(params) -%}
    transform({{ params }}, param -> param.key)
{%- endmacro %}

{% macro event_param(params, keys, key) -%}
    {{ return(adapter.dispatch('event_param', 'shoplake')(params, keys, key)) }}
{%- endmacro %}

{% macro duckdb__event_param(params, keys, key) -%}
    {{ params }}[list_position({{ keys }}, '{{ key }}')].value
{%- endmacro %}

{% macro default__event_param(params, keys, key) -%}
    get({{ params }}, array_position({{ keys }}, '{{ key }}') - 1).value
{%- endmacro %}

{# Text of a parameter. #}
{% macro param_string(value) -%}
    {{ value }}.string_value
{%- endmacro %}

{# Number of a parameter: a key may arrive as integer in one event and as double in the next. #}
{% macro param_double(value) -%}
    coalesce(cast({{ value }}.int_value as {{ dbt.type_float() }}), {{ value }}.double_value, {{ value }}.float_value)
{%- endmacro %}

{# Whole number of a parameter; fractions are rounded, what no BIGINT holds is NULL. #}
{% macro param_integer(value) -%}
    coalesce(
        {{ value }}.int_value,
        case
            when coalesce({{ value }}.double_value, {{ value }}.float_value) between -9e15 and 9e15
                then cast(round(coalesce({{ value }}.double_value, {{ value }}.float_value)) as {{ dbt.type_bigint() }})
        end
    )
{%- endmacro %}
