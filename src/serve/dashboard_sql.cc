#include "serve/dashboard_sql.h"

#include <array>

namespace shoplake::serve {
namespace {

constexpr std::string_view kDaily = "marts.mart_attribution_daily";
constexpr std::string_view kSessions = "marts.agg_sessions_daily";
constexpr std::string_view kFirstClick = "marts.mart_first_click_attribution";
constexpr std::string_view kLastClick = "marts.mart_last_click_attribution";

constexpr Definition kFirst = {"First click",
                               "A conversion counts for the channel of the first session in the 14 days before it (var "
                               "lookback_days), the converting session included."};
constexpr Definition kLast = {
    "Last click", "A conversion counts for the channel of the last such session, which usually is the converting one."};
constexpr Definition kValue = {
    "Value",
    "Purchase revenue, or the value the event carries, in the property's currency; each order is counted once."};

// --- summary ---

constexpr std::array kSummaryTables = {kDaily, kSessions, kFirstClick, kLastClick};
constexpr std::string_view kSummarySql = R"(with

periods as (
    select 'current' as period, $from as first_date, $to as last_date
    union all
    select 'previous' as period, $previous_from as first_date, $previous_to as last_date
),

credited as (
    select
        periods.period,
        coalesce(sum(daily.conversions) filter (where daily.attribution_model = 'first_click'), 0) as first_click_conversions,
        coalesce(sum(daily.conversions) filter (where daily.attribution_model = 'last_click'), 0) as last_click_conversions,
        coalesce(sum(daily.value_micros) filter (where daily.attribution_model = 'first_click'), 0) as first_click_micros,
        coalesce(sum(daily.value_micros) filter (where daily.attribution_model = 'last_click'), 0) as last_click_micros
    from periods
    left join marts.mart_attribution_daily as daily
        on daily.conversion_date between periods.first_date and periods.last_date
        and daily.conversion_event = $event
        and $channels(daily.channel)
    group by periods.period
),

traffic as (
    select
        periods.period,
        coalesce(sum(daily.sessions), 0) as sessions
    from periods
    left join marts.agg_sessions_daily as daily
        on daily.event_date between periods.first_date and periods.last_date
        and $channels(daily.channel)
    group by periods.period
),

moved as (
    select
        periods.period,
        count(*) as touched_conversions,
        count(*) filter (where firsts.attributed_channel <> lasts.attributed_channel) as moved_conversions
    from periods
    inner join marts.mart_first_click_attribution as firsts
        on firsts.conversion_date between periods.first_date and periods.last_date
        and firsts.conversion_event = $event
    inner join marts.mart_last_click_attribution as lasts on firsts.conversion_id = lasts.conversion_id
    where $channels(firsts.attributed_channel) or $channels(lasts.attributed_channel)
    group by periods.period
)

select
    periods.period,
    cast(credited.first_click_conversions as bigint) as first_click_conversions,
    cast(credited.last_click_conversions as bigint) as last_click_conversions,
    round(100.0 * (credited.last_click_conversions - credited.first_click_conversions) / nullif(credited.first_click_conversions, 0), 4)
        as conversions_difference_percent,
    round(credited.first_click_micros / 1000000.0, 2) as first_click_value,
    round(credited.last_click_micros / 1000000.0, 2) as last_click_value,
    round(100.0 * (credited.last_click_micros - credited.first_click_micros) / nullif(credited.first_click_micros, 0), 4)
        as value_difference_percent,
    coalesce(moved.moved_conversions, 0) as moved_conversions,
    coalesce(moved.touched_conversions, 0) as touched_conversions,
    round(1.0 * moved.moved_conversions / nullif(moved.touched_conversions, 0), 6) as moved_share,
    cast(traffic.sessions as bigint) as sessions,
    round(1.0 * credited.last_click_conversions / nullif(traffic.sessions, 0), 6) as conversion_rate
from periods
inner join credited on periods.period = credited.period
inner join traffic on periods.period = traffic.period
left join moved on periods.period = moved.period
order by periods.period
)";
constexpr std::array kSummaryDefinitions = {
    kFirst,
    kLast,
    kValue,
    Definition{"Difference",
               "Last click less first click, in percent of first click. Over all channels both models count every "
               "conversion once, so it is zero there; for a channel it says what the choice of the model moves."},
    Definition{"Credited differently",
               "Conversions that the two models give to different channels, as a share of all (with a channel filter: "
               "of those that either model gives to these channels)."},
    Definition{"Sessions",
               "Sessions begun in the period; a session belongs to the day and channel of its start. The conversion "
               "rate is last-click conversions by sessions."},
    Definition{"Period before",
               "The same number of days directly before. No comparison is shown if the data does not reach back that "
               "far, or for fewer than ten."},
};

// --- series ---

constexpr std::array kSeriesTables = {kDaily, kSessions};
constexpr std::string_view kSeriesSql = R"(with

days as (
    select cast(unnest(generate_series($from, $to, interval 1 day)) as date) as date
),

loaded as (
    select event_date as date from marts.agg_sessions_daily
    union
    select conversion_date as date from marts.mart_attribution_daily
),

credited as (
    select
        conversion_date as date,
        coalesce(sum(conversions) filter (where attribution_model = 'first_click'), 0) as first_click_conversions,
        coalesce(sum(conversions) filter (where attribution_model = 'last_click'), 0) as last_click_conversions,
        coalesce(sum(value_micros) filter (where attribution_model = 'first_click'), 0) as first_click_micros,
        coalesce(sum(value_micros) filter (where attribution_model = 'last_click'), 0) as last_click_micros
    from marts.mart_attribution_daily
    where conversion_event = $event
        and conversion_date between $from and $to
        and $channels(channel)
    group by conversion_date
),

traffic as (
    select
        event_date as date,
        sum(sessions) as sessions
    from marts.agg_sessions_daily
    where event_date between $from and $to
        and $channels(channel)
    group by event_date
)

select
    strftime(days.date, '%Y-%m-%d') as date,
    loaded.date is not null as is_loaded,
    case when loaded.date is not null then cast(coalesce(credited.first_click_conversions, 0) as bigint) end as first_click_conversions,
    case when loaded.date is not null then cast(coalesce(credited.last_click_conversions, 0) as bigint) end as last_click_conversions,
    case when loaded.date is not null then round(coalesce(credited.first_click_micros, 0) / 1000000.0, 2) end as first_click_value,
    case when loaded.date is not null then round(coalesce(credited.last_click_micros, 0) / 1000000.0, 2) end as last_click_value,
    case when loaded.date is not null then cast(coalesce(traffic.sessions, 0) as bigint) end as sessions
from days
left join loaded on days.date = loaded.date
left join credited on days.date = credited.date
left join traffic on days.date = traffic.date
order by days.date
)";
constexpr std::array kSeriesDefinitions = {
    Definition{"A day", "The day of the conversion in the property's time zone."},
    kFirst,
    kLast,
    kValue,
    Definition{"A day without data",
               "No session and no conversion of any channel: not loaded, which is not the same as zero."},
};

// --- channels ---

constexpr std::array kChannelsTables = {kDaily, kSessions};
constexpr std::string_view kChannelsSql = R"(with

credited as (
    select
        channel,
        coalesce(sum(conversions) filter (where attribution_model = 'first_click'), 0) as first_click_conversions,
        coalesce(sum(conversions) filter (where attribution_model = 'last_click'), 0) as last_click_conversions,
        coalesce(sum(value_micros) filter (where attribution_model = 'first_click'), 0) as first_click_micros,
        coalesce(sum(value_micros) filter (where attribution_model = 'last_click'), 0) as last_click_micros
    from marts.mart_attribution_daily
    where conversion_event = $event
        and conversion_date between $from and $to
    group by channel
),

-- Shares are of all channels, also when only some are shown.
totals as (
    select
        sum(first_click_conversions) as first_click_conversions,
        sum(last_click_conversions) as last_click_conversions,
        sum(first_click_micros) as first_click_micros,
        sum(last_click_micros) as last_click_micros
    from credited
),

traffic as (
    select
        channel,
        sum(sessions) as sessions
    from marts.agg_sessions_daily
    where event_date between $from and $to
    group by channel
),

channels as (
    select
        coalesce(credited.channel, traffic.channel) as channel,
        coalesce(traffic.sessions, 0) as sessions,
        coalesce(credited.first_click_conversions, 0) as first_click_conversions,
        coalesce(credited.last_click_conversions, 0) as last_click_conversions,
        coalesce(credited.first_click_micros, 0) as first_click_micros,
        coalesce(credited.last_click_micros, 0) as last_click_micros
    from credited
    full outer join traffic on credited.channel = traffic.channel
)

select
    channels.channel,
    cast(channels.sessions as bigint) as sessions,
    cast(channels.first_click_conversions as bigint) as first_click_conversions,
    cast(channels.last_click_conversions as bigint) as last_click_conversions,
    round(100.0 * (channels.last_click_conversions - channels.first_click_conversions) / nullif(channels.first_click_conversions, 0), 4)
        as conversions_difference_percent,
    round(channels.first_click_micros / 1000000.0, 2) as first_click_value,
    round(channels.last_click_micros / 1000000.0, 2) as last_click_value,
    round(100.0 * (channels.last_click_micros - channels.first_click_micros) / nullif(channels.first_click_micros, 0), 4)
        as value_difference_percent,
    round(1.0 * channels.first_click_conversions / nullif(totals.first_click_conversions, 0), 6) as first_click_conversions_share,
    round(1.0 * channels.last_click_conversions / nullif(totals.last_click_conversions, 0), 6) as last_click_conversions_share,
    round(1.0 * channels.first_click_micros / nullif(totals.first_click_micros, 0), 6) as first_click_value_share,
    round(1.0 * channels.last_click_micros / nullif(totals.last_click_micros, 0), 6) as last_click_value_share
from channels
cross join totals
where $channels(channels.channel)
order by channels.last_click_conversions desc, channels.first_click_conversions desc, channels.sessions desc, channels.channel
)";
constexpr std::array kChannelsDefinitions = {
    Definition{"Channel",
               "Google's default channel grouping of a session's source, medium and campaign (seed channel_rules), "
               "shown under the names of seed display_channels. Unattributed: no session in the window."},
    kFirst,
    kLast,
    kValue,
    Definition{"Share", "Of all conversions (or all value) of the period, over all channels."},
    Definition{"Difference",
               "Last click less first click, in percent of first click; none if first click has nothing."},
};

// --- funnel ---

constexpr std::array<std::string_view, 1> kFunnelTables = {"marts.agg_funnel_daily"};
constexpr std::string_view kFunnelSql = R"(with

stages as (
    select
        stage_number,
        stage,
        sum(sessions) as sessions
    from marts.agg_funnel_daily
    where event_date between $from and $to
    group by stage_number, stage
)

select
    cast(stage_number as bigint) as stage_number,
    stage,
    cast(sessions as bigint) as sessions,
    round(1.0 * sessions / nullif(lag(sessions) over (order by stage_number), 0), 6) as conversion_from_previous,
    round(1.0 * sessions / nullif(first_value(sessions) over (order by stage_number), 0), 6) as conversion_from_first
from stages
order by stage_number
)";
constexpr std::array<std::string_view, 2> kFunnelSliceTables = {"marts.fact_sessions", "marts.fact_events"};
constexpr std::string_view kFunnelSliceSql = R"(with

-- agg_funnel_daily has no channel: its rule once more, over the sessions of these channels.
sessions as (
    select
        session_id,
        coalesce(session_start_event_timestamp, session_start_timestamp) as started_timestamp,
        first_page_view_timestamp,
        last_page_view_timestamp,
        last_purchase_timestamp
    from marts.fact_sessions
    where session_start_date between $from and $to
        and $channels(channel)
),

late_starts as (
    select
        sessions.session_id,
        min(events.event_timestamp) as page_view_timestamp
    from sessions
    inner join marts.fact_events as events
        on sessions.session_id = events.session_id
        and events.event_timestamp >= sessions.started_timestamp
    where sessions.first_page_view_timestamp < sessions.started_timestamp
        and sessions.last_page_view_timestamp >= sessions.started_timestamp
        and events.event_name = 'page_view'
    group by sessions.session_id
),

reached as (
    select
        sessions.last_purchase_timestamp,
        case
            when sessions.first_page_view_timestamp >= sessions.started_timestamp then sessions.first_page_view_timestamp
            else late_starts.page_view_timestamp
        end as page_view_timestamp
    from sessions
    left join late_starts on sessions.session_id = late_starts.session_id
),

stages as (
    select 1 as stage_number, 'session_start' as stage, count(*) as sessions from reached
    union all
    select 2 as stage_number, 'page_view' as stage, count(*) filter (where page_view_timestamp is not null) as sessions from reached
    union all
    select 3 as stage_number, 'purchase' as stage, count(*) filter (where last_purchase_timestamp >= page_view_timestamp) as sessions from reached
)

select
    cast(stage_number as bigint) as stage_number,
    stage,
    cast(sessions as bigint) as sessions,
    round(1.0 * sessions / nullif(lag(sessions) over (order by stage_number), 0), 6) as conversion_from_previous,
    round(1.0 * sessions / nullif(first_value(sessions) over (order by stage_number), 0), 6) as conversion_from_first
from stages
order by stage_number
)";
constexpr std::array kFunnelDefinitions = {
    Definition{"A step",
               "Sessions that reached it after every step before it: session_start, then a page_view, then a purchase. "
               "A session without the event session_start begins with its first event."},
    Definition{"Day and channel", "Those of the session's start."},
};

// --- retention ---

constexpr std::array<std::string_view, 1> kRetentionTables = {"marts.agg_retention_daily"};
constexpr std::string_view kRetentionSql = R"(select
    strftime(cohort_date, '%Y-%m-%d') as cohort_date,
    cast(day_n as bigint) as day_n,
    cast(cohort_users as bigint) as cohort_users,
    cast(returning_users as bigint) as returning_users,
    round(1.0 * returning_users / nullif(cohort_users, 0), 6) as retention_rate
from marts.agg_retention_daily
where cohort_date between $from and $to
order by cohort_date, day_n
)";
constexpr std::array<std::string_view, 2> kRetentionSliceTables = {"marts.dim_user", "marts.fact_sessions"};
constexpr std::string_view kRetentionSliceSql = R"(with

-- agg_retention_daily has no channel: its rule once more, over the people whose first session came through these channels.
users as (
    select
        user_pseudo_id,
        first_seen_date
    from marts.dim_user
    where first_seen_date between $from and $to
        and $channels(first_channel)
),

cohorts as (
    select
        first_seen_date as cohort_date,
        count(*) as cohort_users
    from users
    group by first_seen_date
),

last_day as (
    select max(last_seen_date) as last_date
    from marts.dim_user
),

grid as (
    select
        cohorts.cohort_date,
        cohorts.cohort_users,
        day_numbers.day_n
    from cohorts
    cross join range(31) as day_numbers(day_n)
    cross join last_day
    where cohorts.cohort_date + cast(day_numbers.day_n as integer) <= last_day.last_date
),

returns as (
    select
        users.first_seen_date as cohort_date,
        sessions.session_start_date - users.first_seen_date as day_n,
        count(distinct sessions.user_pseudo_id) as returning_users
    from marts.fact_sessions as sessions
    inner join users on sessions.user_pseudo_id = users.user_pseudo_id
    group by 1, 2
)

select
    strftime(grid.cohort_date, '%Y-%m-%d') as cohort_date,
    cast(grid.day_n as bigint) as day_n,
    cast(grid.cohort_users as bigint) as cohort_users,
    cast(coalesce(returns.returning_users, 0) as bigint) as returning_users,
    round(1.0 * coalesce(returns.returning_users, 0) / nullif(grid.cohort_users, 0), 6) as retention_rate
from grid
left join returns on grid.cohort_date = returns.cohort_date and grid.day_n = returns.day_n
order by grid.cohort_date, grid.day_n
)";
constexpr std::array kRetentionDefinitions = {
    Definition{"Cohort",
               "People (clients) first seen on that day, in the property's time zone; with a channel filter those "
               "whose first session came through it."},
    Definition{"Dn",
               "The share of a cohort that has a session n days after that day. D1 is the next day, D7 a week later."},
    Definition{"All", "Over the cohorts that are old enough to have a day n, so every share has its own base."},
};

constexpr std::array kBlocks = {
    BlockDefinition{"summary", kSummaryTables, kSummarySql, {}, {}, kSummaryDefinitions},
    BlockDefinition{"series", kSeriesTables, kSeriesSql, {}, {}, kSeriesDefinitions},
    BlockDefinition{"channels", kChannelsTables, kChannelsSql, {}, {}, kChannelsDefinitions},
    BlockDefinition{"funnel", kFunnelTables, kFunnelSql, kFunnelSliceTables, kFunnelSliceSql, kFunnelDefinitions},
    BlockDefinition{"retention", kRetentionTables, kRetentionSql, kRetentionSliceTables, kRetentionSliceSql,
                    kRetentionDefinitions},
};

constexpr std::array kChoicesTables = {kDaily, kSessions};

}  // namespace

std::span<const BlockDefinition> block_definitions() { return kBlocks; }

std::span<const std::string_view> tables_of_choices() { return kChoicesTables; }

std::string_view sql_of_days() {
  return R"(select strftime(min(day), '%Y-%m-%d') as first_date, strftime(max(day), '%Y-%m-%d') as last_date
from (
    select event_date as day from marts.agg_sessions_daily
    union all
    select conversion_date as day from marts.mart_attribution_daily
))";
}

std::string_view sql_of_channels() {
  return R"(select channel
from (
    select channel from marts.agg_sessions_daily
    union
    select channel from marts.mart_attribution_daily
)
order by channel
limit 200)";
}

std::string_view sql_of_events() {
  return R"(select conversion_event
from marts.mart_attribution_daily
group by conversion_event
order by sum(conversions), conversion_event
limit 50)";
}

}  // namespace shoplake::serve
