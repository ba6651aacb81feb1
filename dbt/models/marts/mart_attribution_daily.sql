{%- set scope -%}
    conversion_date in (
        select conversion_date from {{ changed('mart_first_click_attribution') }}
        union all
        select conversion_date from {{ changed('mart_last_click_attribution') }}
    )
{%- endset -%}
{{ config(meta={'live': {'scope': scope | trim}}) }}

with

credits as (

    select
        'first_click' as attribution_model,
        conversion_date,
        conversion_event,
        attributed_channel,
        conversion_count,
        conversion_value_micros
    from {{ ref('mart_first_click_attribution') }}

    union all

    select
        'last_click' as attribution_model,
        conversion_date,
        conversion_event,
        attributed_channel,
        conversion_count,
        conversion_value_micros
    from {{ ref('mart_last_click_attribution') }}

),

summed as (

    select
        conversion_date,
        conversion_event,
        attribution_model,
        attributed_channel as channel,
        {{ sum_bigint('conversion_count') }} as conversions,
        {{ sum_bigint('conversion_value_micros') }} as value_micros
    from credits
    {% if is_live() %}
    where {{ scope }}
    {% endif %}
    group by conversion_date, conversion_event, attribution_model, attributed_channel

),

final as (

    select
        conversion_date,
        conversion_event,
        attribution_model,
        channel,
        conversions,
        value_micros,
        {{ amount('value_micros') }} as value
    from summed

)

select * from final
order by conversion_date, conversion_event desc, attribution_model, channel
