{# Body of a model that credits each conversion wholly to one touch of its journey; `condition` chooses the touch. #}
{% macro single_touch_attribution(condition) -%}
{%- set scope -%}
    conversion_id in (
        select conversion_id from {{ changed('int_conversions') }}
        union all
        select conversion_id from {{ changed('int_user_journeys') }}
    )
{%- endset -%}
{%- set reads = [{'ref': 'int_conversions', 'where': scope | trim}, {'ref': 'int_user_journeys', 'where': scope | trim}] -%}
{{
    config(
        meta={'live': {'scope': scope | trim, 'reads': reads, 'day': 'conversion_date', 'hot_days': live_hot_days()}},
    )
}}

with

credited as (

    select
        conversions.conversion_id,
        conversions.conversion_event,
        conversions.conversion_date,
        conversions.conversion_at,
        conversions.user_pseudo_id,
        conversions.transaction_id,
        journeys.touchpoint_id,
        journeys.touchpoint_at,
        journeys.touchpoint_count,
        journeys.source as attributed_source,
        journeys.medium as attributed_medium,
        journeys.campaign as attributed_campaign,
        journeys.channel_group as attributed_channel_group,
        journeys.channel as attributed_channel,
        cast(1 as {{ dbt.type_bigint() }}) as conversion_count,
        conversions.value_micros as conversion_value_micros,
        {{ amount('conversions.value_micros') }} as conversion_value
    from {{ ref('int_conversions') }} as conversions
    inner join {{ ref('int_user_journeys') }} as journeys
        on conversions.conversion_id = journeys.conversion_id
    where journeys.{{ condition }}

)

select * from credited
{%- endmacro %}
