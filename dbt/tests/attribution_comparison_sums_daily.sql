-- The comparison is the sum of the daily series.
with

daily as (

    select
        conversion_event,
        channel,
        sum(case when attribution_model = 'first_click' then conversions else 0 end) as first_click_conversions,
        sum(case when attribution_model = 'last_click' then value_micros else 0 end) as last_click_value_micros
    from {{ ref('mart_attribution_daily') }}
    group by conversion_event, channel

)

select
    daily.conversion_event,
    daily.channel
from daily
left join {{ ref('mart_attribution_comparison') }} as comparison
    on daily.conversion_event = comparison.conversion_event
    and daily.channel = comparison.channel
where comparison.channel is null
    or daily.first_click_conversions <> comparison.first_click_conversions
    or daily.last_click_value_micros <> comparison.last_click_value_micros
