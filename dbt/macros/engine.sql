{# What engines spell differently: one macro each, a branch for each adapter. Models call these and nothing engine-own. #}

{# UTC timestamp of microseconds since 1970. #}
{% macro timestamp_from_micros(micros) -%}
    {{ return(adapter.dispatch('timestamp_from_micros', 'shoplake')(micros)) }}
{%- endmacro %}
{% macro duckdb__timestamp_from_micros(micros) -%}
    make_timestamp({{ micros }})
{%- endmacro %}
{% macro default__timestamp_from_micros(micros) -%}
    timestamp_micros({{ micros }})
{%- endmacro %}

{# Microseconds since 1970 of a timestamp with time zone. #}
{% macro micros_from_timestamp(moment) -%}
    {{ return(adapter.dispatch('micros_from_timestamp', 'shoplake')(moment)) }}
{%- endmacro %}
{% macro duckdb__micros_from_timestamp(moment) -%}
    epoch_us({{ moment }})
{%- endmacro %}
{% macro default__micros_from_timestamp(moment) -%}
    unix_micros({{ moment }})
{%- endmacro %}

{# Date of text YYYYMMDD; NULL if it is none. #}
{% macro date_from_yyyymmdd(text) -%}
    {{ return(adapter.dispatch('date_from_yyyymmdd', 'shoplake')(text)) }}
{%- endmacro %}
{% macro duckdb__date_from_yyyymmdd(text) -%}
    cast(try_strptime({{ text }}, '%Y%m%d') as date)
{%- endmacro %}
{% macro default__date_from_yyyymmdd(text) -%}
    to_date({{ text }}, 'yyyyMMdd')
{%- endmacro %}

{# Text YYYYMMDD of a date. #}
{% macro yyyymmdd_from_date(date) -%}
    {{ return(adapter.dispatch('yyyymmdd_from_date', 'shoplake')(date)) }}
{%- endmacro %}
{% macro duckdb__yyyymmdd_from_date(date) -%}
    strftime({{ date }}, '%Y%m%d')
{%- endmacro %}
{% macro default__yyyymmdd_from_date(date) -%}
    date_format({{ date }}, 'yyyyMMdd')
{%- endmacro %}

{# A date and a number of days later (earlier if negative). #}
{% macro add_days(date, days) -%}
    {{ return(adapter.dispatch('add_days', 'shoplake')(date, days)) }}
{%- endmacro %}
{% macro duckdb__add_days(date, days) -%}
    ({{ date }} + cast({{ days }} as integer))
{%- endmacro %}
{% macro default__add_days(date, days) -%}
    date_add({{ date }}, {{ days }})
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(from_date, to_date) -%}
    {{ return(adapter.dispatch('days_between', 'shoplake')(from_date, to_date)) }}
{%- endmacro %}
{% macro duckdb__days_between(from_date, to_date) -%}
    ({{ to_date }} - {{ from_date }})
{%- endmacro %}
{% macro default__days_between(from_date, to_date) -%}
    datediff({{ to_date }}, {{ from_date }})
{%- endmacro %}

{# Whether text contains a literal. #}
{% macro contains(text, literal) -%}
    {{ return(adapter.dispatch('contains', 'shoplake')(text, literal)) }}
{%- endmacro %}
{% macro duckdb__contains(text, literal) -%}
    contains({{ text }}, {{ literal }})
{%- endmacro %}
{% macro default__contains(text, literal) -%}
    (position({{ literal }} in {{ text }}) > 0)
{%- endmacro %}

{# Whether a regular expression matches somewhere in text. #}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'shoplake')(text, pattern)) }}
{%- endmacro %}
{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}
{% macro default__matches(text, pattern) -%}
    ({{ text }} rlike '{{ pattern }}')
{%- endmacro %}

{# First group of a regular expression in text; NULL if it does not match or the group is empty. #}
{% macro extract_group(text, pattern) -%}
    {{ return(adapter.dispatch('extract_group', 'shoplake')(text, pattern)) }}
{%- endmacro %}
{% macro duckdb__extract_group(text, pattern) -%}
    nullif(regexp_extract({{ text }}, '{{ pattern }}', 1), '')
{%- endmacro %}
{% macro default__extract_group(text, pattern) -%}
    nullif(regexp_extract({{ text }}, '{{ pattern | replace("\\", "\\\\") }}', 1), '')
{%- endmacro %}

{# Text with all matches of a regular expression replaced. #}
{% macro replace_pattern(text, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_pattern', 'shoplake')(text, pattern, replacement)) }}
{%- endmacro %}
{% macro duckdb__replace_pattern(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}
{% macro default__replace_pattern(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern | replace("\\", "\\\\") }}', '{{ replacement }}')
{%- endmacro %}

{# Value of the row of a group that comes first by an order; rows that do not meet the condition do not count. #}
{% macro first_by(value, order, condition='true') -%}
    {{ return(adapter.dispatch('first_by', 'shoplake')(value, order, condition)) }}
{%- endmacro %}
{% macro duckdb__first_by(value, order, condition) -%}
    arg_min({{ value }}, {{ order }}){% if condition != 'true' %} filter (where {{ condition }}){% endif %}
{%- endmacro %}
{% macro default__first_by(value, order, condition) -%}
    min_by({{ value }}, {{ order }}) filter (where {{ condition }})
{%- endmacro %}

{% macro last_by(value, order, condition='true') -%}
    {{ return(adapter.dispatch('last_by', 'shoplake')(value, order, condition)) }}
{%- endmacro %}
{% macro duckdb__last_by(value, order, condition) -%}
    arg_max({{ value }}, {{ order }}){% if condition != 'true' %} filter (where {{ condition }}){% endif %}
{%- endmacro %}
{% macro default__last_by(value, order, condition) -%}
    max_by({{ value }}, {{ order }}) filter (where {{ condition }})
{%- endmacro %}

{# One value of several columns: {'name': expression}. Read with column.name. #}
{% macro record(fields) -%}
    {{ return(adapter.dispatch('record', 'shoplake')(fields)) }}
{%- endmacro %}
{% macro duckdb__record(fields) -%}
    { {%- for name, expression in fields.items() %}'{{ name }}': {{ expression }}{{ ', ' if not loop.last }}{% endfor -%} }
{%- endmacro %}
{% macro default__record(fields) -%}
    named_struct({%- for name, expression in fields.items() %}'{{ name }}', {{ expression }}{{ ', ' if not loop.last }}{% endfor -%})
{%- endmacro %}

{# Texts of a group joined by a comma, in the given order. #}
{% macro joined_text(text, order) -%}
    {{ return(adapter.dispatch('joined_text', 'shoplake')(text, order)) }}
{%- endmacro %}
{% macro duckdb__joined_text(text, order) -%}
    string_agg({{ text }}, ',' order by {{ order }})
{%- endmacro %}
{% macro default__joined_text(text, order) -%}
    array_join(transform(array_sort(collect_list(struct({{ order }} as o, {{ text }} as t))), x -> x.t), ',')
{%- endmacro %}

{# Values of a group as a list, without NULL; NULL if there is none. #}
{% macro collected(value) -%}
    {{ return(adapter.dispatch('collected', 'shoplake')(value)) }}
{%- endmacro %}
{% macro duckdb__collected(value) -%}
    list({{ value }}) filter (where {{ value }} is not null)
{%- endmacro %}
{% macro default__collected(value) -%}
    nullif(collect_list({{ value }}), array())
{%- endmacro %}

{# Lists of a group put into one; NULL if there is none. #}
{% macro collected_lists(lists) -%}
    {{ return(adapter.dispatch('collected_lists', 'shoplake')(lists)) }}
{%- endmacro %}
{% macro duckdb__collected_lists(lists) -%}
    flatten(list({{ lists }}) filter (where {{ lists }} is not null))
{%- endmacro %}
{% macro default__collected_lists(lists) -%}
    nullif(flatten(collect_list({{ lists }})), array())
{%- endmacro %}

{# The values of a list or two, ascending, each once. #}
{% macro sorted_values(list, other_list=none) -%}
    {{ return(adapter.dispatch('sorted_values', 'shoplake')(list, other_list)) }}
{%- endmacro %}
{% macro duckdb__sorted_values(list, other_list) -%}
    list_sort(list_distinct({% if other_list %}list_concat({{ list }}, {{ other_list }}){% else %}{{ list }}{% endif %}))
{%- endmacro %}
{% macro default__sorted_values(list, other_list) -%}
    array_sort(array_distinct({% if other_list %}concat(coalesce({{ list }}, array()), coalesce({{ other_list }}, array())){% else %}{{ list }}{% endif %}))
{%- endmacro %}

{# Least value of a list that is not below another value; NULL if there is none. #}
{% macro least_from(list, value) -%}
    {{ return(adapter.dispatch('least_from', 'shoplake')(list, value)) }}
{%- endmacro %}
{% macro duckdb__least_from(list, value) -%}
    list_min(list_filter({{ list }}, element -> element >= {{ value }}))
{%- endmacro %}
{% macro default__least_from(list, value) -%}
    array_min(filter({{ list }}, element -> element >= {{ value }}))
{%- endmacro %}

{# Values of a list up to another value; all if that is NULL. #}
{% macro values_up_to(list, value) -%}
    {{ return(adapter.dispatch('values_up_to', 'shoplake')(list, value)) }}
{%- endmacro %}
{% macro duckdb__values_up_to(list, value) -%}
    list_filter({{ list }}, element -> coalesce(element <= {{ value }}, true))
{%- endmacro %}
{% macro default__values_up_to(list, value) -%}
    filter({{ list }}, element -> coalesce(element <= {{ value }}, true))
{%- endmacro %}

{# SQL list of text literals from a list. #}
{% macro literals(values) -%}
    ({% for value in values %}'{{ value | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# Rows 0, 1, … up to the value of a variable. #}
{% macro numbers_up_to(variable, column) -%}
    {% for number in range(var(variable) + 1) %}select {{ number }} as {{ column }}{{ ' union all ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# Whether text is like a pattern; ! makes the next % or _ stand for itself. #}
{% macro is_like(text, pattern) -%}
    {{ text }} like {{ pattern }} escape '!'
{%- endmacro %}

{# Whole seconds of a number of microseconds that is not negative. #}
{% macro whole_seconds(micros) -%}
    cast(({{ micros }} - mod({{ micros }}, 1000000)) / 1000000 as {{ dbt.type_bigint() }})
{%- endmacro %}
