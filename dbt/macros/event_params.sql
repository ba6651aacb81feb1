{#
    Reads keys out of GA4's arrays of {key, value {string_value, int_value, float_value, double_value}}.

    Two steps, so that an engine walks each array once for a type, not once for a key: the first CTE selects
    event_param_keys() and the lists of values of the types needed, the next one picks single values out of these lists with
    event_param(). The first entry of a key counts if it occurs twice. (On a million events with 17 keys this takes 0.7 s of
    one core; picking the struct for each key takes 1.1 s, filtering the array for each key 2 s, a map 4 s.)
#}

{# Keys of the array, in their order. #}
{% macro event_param_keys(params) -%}
    {{ event_param_list(params, 'param.key') }}
{%- endmacro %}

{# Texts of the array's values, in the order of the keys. #}
{% macro event_param_strings(params) -%}
    {{ event_param_list(params, 'param.value.string_value') }}
{%- endmacro %}

{# Whole numbers: a key may arrive as integer in one event and as double in the next. Fractions are rounded, what is no plausible whole number is NULL. #}
{% macro event_param_integers(params) -%}
    {{ event_param_list(params,
        'case'
        ~ ' when param.value.int_value is not null then param.value.int_value'
        ~ ' when coalesce(param.value.double_value, param.value.float_value) between -9e15 and 9e15'
        ~ ' then cast(round(coalesce(param.value.double_value, param.value.float_value)) as ' ~ dbt.type_bigint() ~ ')'
        ~ ' end'
    ) }}
{%- endmacro %}

{# Numbers of any type as double. #}
{% macro event_param_doubles(params) -%}
    {{ event_param_list(params,
        'coalesce(cast(param.value.int_value as ' ~ double() ~ '), param.value.double_value, param.value.float_value)'
    ) }}
{%- endmacro %}

{# The entry of `values`, a list of the above, at the place of a key; NULL if there is no such key. #}
{% macro event_param(values, keys, key) -%}
    {{ return(adapter.dispatch('event_param', 'shoplake')(values, keys, key)) }}
{%- endmacro %}
{% macro duckdb__event_param(values, keys, key) -%}
    {{ values }}[list_position({{ keys }}, '{{ key }}')]
{%- endmacro %}
{% macro default__event_param(values, keys, key) -%}
    get({{ values }}, array_position({{ keys }}, '{{ key }}') - 1)
{%- endmacro %}

{# List of an expression over `param`, an entry of the array. #}
{% macro event_param_list(params, expression) -%}
    {{ return(adapter.dispatch('event_param_list', 'shoplake')(params, expression)) }}
{%- endmacro %}
{% macro duckdb__event_param_list(params, expression) -%}
    list_transform({{ params }}, param -> {{ expression }})
{%- endmacro %}
{% macro default__event_param_list(params, expression) -%}
    transform({{ params }}, param -> {{ expression }})
{%- endmacro %}
