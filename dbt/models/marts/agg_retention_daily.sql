with

cohorts as (

    select
        first_seen_date as cohort_date,
        cast(count(*) as {{ dbt.type_bigint() }}) as cohort_users
    from {{ ref('dim_user') }}
    group by first_seen_date

),

day_numbers as (

    {{ numbers_up_to('retention_days', 'day_n') }}

),

last_day as (

    select max(last_seen_date) as last_date
    from {{ ref('dim_user') }}

),

-- Days after the end of the data are unknown, not zero.
grid as (

    select
        cohorts.cohort_date,
        cohorts.cohort_users,
        day_numbers.day_n
    from cohorts
    cross join day_numbers
    cross join last_day
    where {{ add_days('cohorts.cohort_date', 'day_numbers.day_n') }} <= last_day.last_date

),

returns as (

    select
        users.first_seen_date as cohort_date,
        {{ days_between('users.first_seen_date', 'sessions.session_start_date') }} as day_n,
        cast(count(distinct sessions.user_pseudo_id) as {{ dbt.type_bigint() }}) as returning_users,
        cast(count(*) as {{ dbt.type_bigint() }}) as returning_sessions
    from {{ ref('fact_sessions') }} as sessions
    inner join {{ ref('dim_user') }} as users on sessions.user_pseudo_id = users.user_pseudo_id
    group by 1, 2

),

final as (

    select
        grid.cohort_date,
        cast(grid.day_n as integer) as day_n,
        'D' || cast(grid.day_n as {{ dbt.type_string() }}) as label,
        grid.cohort_users,
        coalesce(returns.returning_users, 0) as returning_users,
        coalesce(returns.returning_sessions, 0) as returning_sessions,
        {{ ratio('coalesce(returns.returning_users, 0)', 'grid.cohort_users', 6) }} as retention_rate
    from grid
    left join returns on grid.cohort_date = returns.cohort_date and grid.day_n = returns.day_n

)

select * from final
order by cohort_date, day_n
