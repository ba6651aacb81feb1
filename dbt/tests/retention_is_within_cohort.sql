-- Nobody returns who was not there; every client of a cohort is counted once.
select
    cohort_date,
    day_n
from {{ ref('agg_retention_daily') }}
where returning_users > cohort_users
    or returning_sessions < returning_users
