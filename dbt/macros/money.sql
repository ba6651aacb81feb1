{# Money is summed as whole millionths (micros), so that no order of summing changes a result. #}

{# Millionths of a floating-point amount; NULL for what is not a number or not a plausible amount. #}
{% macro micros(amount) -%}
    case
        when {{ amount }} between -9e12 and 9e12
            then cast(round({{ amount }} * 1000000) as {{ dbt.type_bigint() }})
    end
{%- endmacro %}

{# A number of 64 bits. dbt.type_float() has 32 on DuckDB, which is wrong by cents from 131,072 on. #}
{% macro double() -%}
    {{ return(adapter.dispatch('double', 'shoplake')()) }}
{%- endmacro %}
{% macro duckdb__double() %}{{ return('double') }}{% endmacro %}
{% macro spark__double() %}{{ return('double') }}{% endmacro %}
{% macro default__double() %}{{ return('double precision') }}{% endmacro %}

{# Amount with two decimals for display; the micros stay beside it. #}
{% macro amount(micros) -%}
    cast(round(cast({{ micros }} as {{ double() }}) / 1000000, 2) as decimal(18, 2))
{%- endmacro %}

{# Sum of whole numbers as BIGINT, 0 over no value. Absurd inputs stop at the largest BIGINT instead of failing. #}
{% macro sum_bigint(expression) -%}
    {{ return(adapter.dispatch('sum_bigint', 'shoplake')(expression)) }}
{%- endmacro %}
{% macro duckdb__sum_bigint(expression) -%}
    cast(least(greatest(coalesce(sum({{ expression }}), 0), -9223372036854775807), 9223372036854775807) as {{ dbt.type_bigint() }})
{%- endmacro %}
{% macro default__sum_bigint(expression) -%}
    cast(coalesce(sum({{ expression }}), 0) as {{ dbt.type_bigint() }})
{%- endmacro %}

{# Count of the rows for which a condition is true. #}
{% macro count_if(condition) -%}
    cast(count(case when {{ condition }} then 1 end) as {{ dbt.type_bigint() }})
{%- endmacro %}

{# Ratio, rounded, NULL over nothing. #}
{% macro ratio(numerator, denominator, decimals=4) -%}
    case
        when {{ denominator }} <> 0
            then round(cast({{ numerator }} as {{ double() }}) / {{ denominator }}, {{ decimals }})
    end
{%- endmacro %}

{# Difference from `before` to `after` in percent of `before`, NULL if there was nothing before. #}
{% macro percent_difference(before, after) -%}
    case
        when {{ before }} <> 0
            then round(100.0 * cast({{ after }} - {{ before }} as {{ double() }}) / {{ before }}, 2)
    end
{%- endmacro %}
