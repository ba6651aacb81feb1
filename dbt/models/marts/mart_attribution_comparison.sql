{{ config(meta={'live': {'scope': 'true'}}) }}

with

daily as (

    select * from {{ ref('mart_attribution_daily') }}

),

by_channel as (

    select
        conversion_event,
        channel,
        {{ sum_bigint("case when attribution_model = 'first_click' then conversions end") }} as first_click_conversions,
        {{ sum_bigint("case when attribution_model = 'last_click' then conversions end") }} as last_click_conversions,
        {{ sum_bigint("case when attribution_model = 'first_click' then value_micros end") }} as first_click_value_micros,
        {{ sum_bigint("case when attribution_model = 'last_click' then value_micros end") }} as last_click_value_micros
    from daily
    group by conversion_event, channel

),

totals as (

    select
        conversion_event,
        {{ sum_bigint('first_click_conversions') }} as first_click_conversions,
        {{ sum_bigint('last_click_conversions') }} as last_click_conversions,
        {{ sum_bigint('first_click_value_micros') }} as first_click_value_micros,
        {{ sum_bigint('last_click_value_micros') }} as last_click_value_micros
    from by_channel
    group by conversion_event

),

final as (

    select
        by_channel.conversion_event,
        by_channel.channel,
        by_channel.first_click_conversions,
        by_channel.last_click_conversions,
        by_channel.last_click_conversions - by_channel.first_click_conversions as conversions_difference,
        {{ percent_difference('by_channel.first_click_conversions', 'by_channel.last_click_conversions') }} as conversions_difference_percent,
        {{ ratio('by_channel.first_click_conversions', 'totals.first_click_conversions', 6) }} as first_click_conversions_share,
        {{ ratio('by_channel.last_click_conversions', 'totals.last_click_conversions', 6) }} as last_click_conversions_share,
        {{ amount('by_channel.first_click_value_micros') }} as first_click_value,
        {{ amount('by_channel.last_click_value_micros') }} as last_click_value,
        {{ amount('by_channel.last_click_value_micros - by_channel.first_click_value_micros') }} as value_difference,
        {{ percent_difference('by_channel.first_click_value_micros', 'by_channel.last_click_value_micros') }} as value_difference_percent,
        {{ ratio('by_channel.first_click_value_micros', 'totals.first_click_value_micros', 6) }} as first_click_value_share,
        {{ ratio('by_channel.last_click_value_micros', 'totals.last_click_value_micros', 6) }} as last_click_value_share,
        by_channel.first_click_value_micros,
        by_channel.last_click_value_micros
    from by_channel
    inner join totals on by_channel.conversion_event = totals.conversion_event

)

select * from final
order by conversion_event desc, first_click_conversions desc, last_click_conversions desc, channel
