{# Dates and times. A datepart is a bare word: day, week, month, quarter, year, hour, minute, second. #}

{% macro current_timestamp() %}{{ return(adapter.dispatch('current_timestamp', 'dbt')()) }}{% endmacro %}
{% macro default__current_timestamp() %}{{ return('current_timestamp') }}{% endmacro %}
{% macro duckdb__current_timestamp() %}{{ return('now()') }}{% endmacro %}
{% macro postgres__current_timestamp() %}{{ return('now()') }}{% endmacro %}
{% macro spark__current_timestamp() %}{{ return('current_timestamp()') }}{% endmacro %}

{% macro now() %}{{ return(dbt.current_timestamp()) }}{% endmacro %}
{% macro current_timestamp_backcompat() %}{{ return(dbt.current_timestamp()) }}{% endmacro %}
{% macro current_timestamp_in_utc() %}{{ return(adapter.dispatch('current_timestamp_in_utc', 'dbt')()) }}{% endmacro %}
{% macro default__current_timestamp_in_utc() %}{{ dbt.current_timestamp() }} at time zone 'UTC'{% endmacro %}
{% macro spark__current_timestamp_in_utc() %}to_utc_timestamp(current_timestamp(), current_timezone()){% endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) %}
    {{- return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) -}}
{% endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
    dateadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}
{% macro duckdb__dateadd(datepart, interval, from_date_or_timestamp) -%}
    date_add({{ from_date_or_timestamp }}, interval ({{ interval }}) {{ datepart }})
{%- endmacro %}
{% macro postgres__dateadd(datepart, interval, from_date_or_timestamp) -%}
    {{ from_date_or_timestamp }} + ((interval '1 {{ datepart }}') * ({{ interval }}))
{%- endmacro %}
{% macro spark__dateadd(datepart, interval, from_date_or_timestamp) -%}
    timestampadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}

{# How many borders of the datepart lie between the two: 23:59 to 00:01 is one day. #}
{% macro datediff(first_date, second_date, datepart) %}
    {{- return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) -}}
{% endmacro %}
{% macro default__datediff(first_date, second_date, datepart) -%}
    datediff({{ datepart }}, {{ first_date }}, {{ second_date }})
{%- endmacro %}
{% macro duckdb__datediff(first_date, second_date, datepart) -%}
    (date_diff('{{ datepart }}', {{ first_date }}::timestamp, {{ second_date }}::timestamp))
{%- endmacro %}
{% macro postgres__datediff(first_date, second_date, datepart) -%}
    {%- set first = '(' ~ first_date ~ ')::timestamp' -%}
    {%- set second = '(' ~ second_date ~ ')::timestamp' -%}
    {%- set seconds = {'week': 604800, 'day': 86400, 'hour': 3600, 'minute': 60, 'second': 1} -%}
    {%- if datepart == 'year' -%}
        (date_part('year', {{ second }}) - date_part('year', {{ first }}))
    {%- elif datepart in ['month', 'quarter'] -%}
        {%- set parts = 12 if datepart == 'month' else 4 -%}
        ((date_part('year', {{ second }}) - date_part('year', {{ first }})) * {{ parts }} + date_part('{{ datepart }}', {{ second }}) - date_part('{{ datepart }}', {{ first }}))
    {%- elif datepart in seconds -%}
        (extract(epoch from date_trunc('{{ datepart }}', {{ second }}) - date_trunc('{{ datepart }}', {{ first }})) / {{ seconds[datepart] }})::bigint
    {%- elif datepart in ['millisecond', 'microsecond'] -%}
        (extract(epoch from {{ second }} - {{ first }}) * {{ 1000 if datepart == 'millisecond' else 1000000 }})::bigint
    {%- else -%}
        {{ exceptions.raise_compiler_error("datediff(): '" ~ datepart ~ "' is not a datepart of postgres") }}
    {%- endif -%}
{%- endmacro %}
{% macro spark__datediff(first_date, second_date, datepart) -%}
    {%- if datepart == 'day' -%}
        datediff({{ second_date }}, {{ first_date }})
    {%- else -%}
        timestampdiff({{ datepart }}, date_trunc('{{ datepart }}', {{ first_date }}), date_trunc('{{ datepart }}', {{ second_date }}))
    {%- endif -%}
{%- endmacro %}

{% macro date_trunc(datepart, date) -%}{{ return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) }}{%- endmacro %}
{% macro default__date_trunc(datepart, date) -%}date_trunc('{{ datepart }}', {{ date }}){%- endmacro %}

{% macro last_day(date, datepart) %}{{ return(adapter.dispatch('last_day', 'dbt')(date, datepart)) }}{% endmacro %}
{% macro default_last_day(date, datepart) -%}
    cast({{ dbt.dateadd('day', '-1', dbt.dateadd(datepart, '1', dbt.date_trunc(datepart, date))) }} as date)
{%- endmacro %}
{% macro default__last_day(date, datepart) -%}{{ dbt.default_last_day(date, datepart) }}{%- endmacro %}
{% macro postgres__last_day(date, datepart) -%}
    {#- Postgres has no interval of a quarter. -#}
    {%- if datepart == 'quarter' -%}
        cast({{ dbt.dateadd('day', '-1', dbt.dateadd('month', '3', dbt.date_trunc(datepart, date))) }} as date)
    {%- else -%}
        {{ dbt.default_last_day(date, datepart) }}
    {%- endif -%}
{%- endmacro %}

{% macro date(year, month, day) %}{{ return(adapter.dispatch('date', 'dbt')(year, month, day)) }}{% endmacro %}
{% macro default__date(year, month, day) -%}
    cast('{{ '%04d-%02d-%02d' % (year, month, day) }}' as date)
{%- endmacro %}

{% macro get_intervals_between(start_date, end_date, datepart) -%}
    {{- return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) -}}
{%- endmacro %}
{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
    {%- call statement('get_intervals_between', fetch_result=True) -%}
        select {{ dbt.datediff(start_date, end_date, datepart) }}
    {%- endcall -%}
    {%- set result = load_result('get_intervals_between') -%}
    {%- if result and result['data'] -%}
        {{- return(result['data'][0][0]) -}}
    {%- endif -%}
    {{- return(1) -}}
{%- endmacro %}

{# The least power of two that is not below upper_bound, as an exponent. #}
{% macro get_powers_of_two(upper_bound) %}{{ return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) }}{% endmacro %}
{% macro default__get_powers_of_two(upper_bound) %}
    {%- if upper_bound <= 0 -%}
        {{ exceptions.raise_compiler_error('upper bound must be positive') }}
    {%- endif -%}
    {%- for exponent in range(1, 100) -%}
        {%- if upper_bound <= 2 ** exponent -%}{{ return(exponent) }}{%- endif -%}
    {%- endfor -%}
{% endmacro %}

{# 1 … upper_bound as generated_number. #}
{% macro generate_series(upper_bound) %}{{ return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) }}{% endmacro %}
{% macro default__generate_series(upper_bound) %}
    {%- set bits = dbt.get_powers_of_two(upper_bound) -%}
    with bit as (
        select 0 as value
        union all
        select 1
    ),
    numbers as (
        select
            {% for n in range(bits) -%}
            bit_{{ n }}.value * {{ 2 ** n }}{{ ' + ' if not loop.last }}
            {%- endfor %} + 1 as generated_number
        from bit as bit_0
        {%- for n in range(1, bits) %}
        cross join bit as bit_{{ n }}
        {%- endfor %}
    )
    select generated_number
    from numbers
    where generated_number <= {{ upper_bound }}
    order by generated_number
{% endmacro %}

{# One row for each datepart from start_date to before end_date. #}
{% macro date_spine(datepart, start_date, end_date) %}{{ return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) }}{% endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) %}
    with numbers as (
        {{ dbt.generate_series(dbt.get_intervals_between(start_date, end_date, datepart)) }}
    ),
    all_periods as (
        select {{ dbt.dateadd(datepart, '(row_number() over (order by generated_number) - 1)', start_date) }} as date_{{ datepart }}
        from numbers
    )
    select date_{{ datepart }}
    from all_periods
    where date_{{ datepart }} <= {{ end_date }}
{% endmacro %}
{% macro duckdb__date_spine(datepart, start_date, end_date) %}
    select spine.date_{{ datepart }}
    from unnest(generate_series(cast({{ start_date }} as timestamp), cast({{ end_date }} as timestamp) - interval 1 microsecond, interval 1 {{ datepart }})) as spine(date_{{ datepart }})
{% endmacro %}

{% macro convert_datetime(date_str, date_fmt) %}{{ return(modules.datetime.datetime.strptime(date_str, date_fmt)) }}{% endmacro %}
{% macro py_current_timestring() %}{{ return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) }}{% endmacro %}

{# Every day from start to end, as texts. #}
{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') %}
    {%- set start = convert_datetime(start_date_str, in_fmt) -%}
    {%- set end = convert_datetime(end_date_str if end_date_str is not none else start_date_str, in_fmt) -%}
    {%- set days = (end - start).days + 1 -%}
    {%- if days < 1 -%}
        {{ exceptions.raise_compiler_error('The start date ' ~ start_date_str ~ ' is after the end date ' ~ end_date_str) }}
    {%- endif -%}
    {%- set result = [] -%}
    {%- for n in range(days) -%}
        {%- do result.append((start + modules.datetime.timedelta(days=n)).strftime(out_fmt)) -%}
    {%- endfor -%}
    {{ return(result) }}
{% endmacro %}

{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') %}
    {%- set ends = (raw_partition_date | string).split(',') -%}
    {%- if ends | length > 2 -%}
        {{ exceptions.raise_compiler_error('A partition range is one date, or two with a comma between; got ' ~ raw_partition_date) }}
    {%- endif -%}
    {{ return(dates_in_range(ends[0], ends[1] if ends | length == 2 else none, in_fmt=date_fmt)) }}
{% endmacro %}
