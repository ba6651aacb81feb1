-- No stage is reached by more sessions or users than the stage before it.
select
    later.event_date,
    later.stage
from {{ ref('agg_funnel_daily') }} as later
inner join {{ ref('agg_funnel_daily') }} as earlier
    on later.event_date = earlier.event_date
    and later.stage_number = earlier.stage_number + 1
where later.sessions > earlier.sessions
    or later.users > earlier.users
