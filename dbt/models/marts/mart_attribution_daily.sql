{%- set scope -%}
    conversion_date in (
        select conversion_date from {{ changed('mart_first_click_attribution') }}
        union all
        select conversion_date from {{ changed('mart_last_click_attribution') }}
    )
{%- endset -%}
{#- In live mode the credits that a batch gives and takes away are added to what is known of their days. -#}
{{ config(meta={'live': {'scope': scope | trim}}) }}

{%- do ref('mart_first_click_attribution') -%}
{%- do ref('mart_last_click_attribution') -%}

with

credits as (

    {% for name in ['first_click', 'last_click'] %}
    {%- set relation = 'mart_' ~ name ~ '_attribution' -%}
    {%- set factor = 'change_count * ' if is_live() else '' %}
    select
        '{{ name }}' as attribution_model,
        conversion_date,
        conversion_event,
        attributed_channel,
        {{ factor }}conversion_count as conversion_count,
        {{ factor }}conversion_value_micros as conversion_value_micros
    from {{ changed(relation) if is_live() else ref(relation) }}
    {{ 'union all' if not loop.last or is_live() }}
    {% endfor %}
    {% if is_live() %}
    select
        attribution_model,
        conversion_date,
        conversion_event,
        channel as attributed_channel,
        conversions as conversion_count,
        value_micros as conversion_value_micros
    from {{ this }}
    where {{ scope | trim }}
    {% endif %}

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
    group by conversion_date, conversion_event, attribution_model, attributed_channel
    {% if is_live() %}
    having sum(conversion_count) > 0
    {% endif %}

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
