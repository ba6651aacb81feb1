-- Models share out the same conversions: first and last click agree in total, for each event and day.
select
    conversion_event,
    conversion_date,
    sum(case when attribution_model = 'first_click' then conversions else -conversions end) as conversions_difference,
    sum(case when attribution_model = 'first_click' then value_micros else -value_micros end) as value_difference
from {{ ref('mart_attribution_daily') }}
group by conversion_event, conversion_date
having sum(case when attribution_model = 'first_click' then conversions else -conversions end) <> 0
    or sum(case when attribution_model = 'first_click' then value_micros else -value_micros end) <> 0
