#include "app/lake_gauges.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "watch/anomaly.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr char kQualityResults[] = "quality.results";
constexpr char kSessionsDaily[] = "marts.agg_sessions_daily";
constexpr char kAttributionDaily[] = "marts.mart_attribution_daily";

// Of each rule its newest result on rows that were published or would have been.
constexpr char kQualitySql[] = R"(
with latest as (
    select table_name, outcome
    from quality.results
    qualify row_number() over (partition by table_name, rule_name order by run_at desc, run_id desc) = 1
)
select
    table_name,
    count(*) filter (where outcome = 'pass') as passed,
    count(*) filter (where outcome in ('fail', 'error')) as failed
from latest
group by table_name
)";

// Days that are over: the newest day may still be going on.
constexpr char kRatesSql[] = R"(
with sessions as (
    select event_date as date, sum(sessions) as sessions from marts.agg_sessions_daily group by 1
),
conversions as (
    select conversion_date as date, sum(conversions) as conversions
    from marts.mart_attribution_daily
    where attribution_model = 'last_click' and conversion_event = 'purchase'
    group by 1
)
select cast(coalesce(conversions.conversions, 0) as double), cast(sessions.sessions as double)
from sessions
left join conversions using (date)
where sessions.date < (select max(date) from sessions)
order by sessions.date desc
limit {}
)";

std::optional<std::int64_t> integer_of(const engine::Value& value) {
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  return integer == nullptr ? std::nullopt : std::optional(*integer);
}
double number_of(const engine::Value& value) {
  const auto* number = std::get_if<double>(&value.data);
  return number == nullptr ? 0 : *number;
}

}  // namespace

LakeGauges::LakeGauges(io::Env& env, serve::Lake& lake, base::Metrics& metrics)
    : env_(env), lake_(lake), metrics_(metrics) {
  metrics.describe_gauge("shoplake_data_freshness_seconds", "Age of the newest event of a table.");
  metrics.describe_gauge("shoplake_quality_rules_passed", "Quality rules of a table whose newest result is a pass.");
  metrics.describe_gauge("shoplake_quality_rules_failed",
                         "Quality rules of a table whose newest result is a failure or an error.");
  metrics.describe_gauge("shoplake_conversion_rate", "Purchases by sessions of the last whole day.");
  metrics.describe_gauge("shoplake_conversion_rate_deviation",
                         "Distance of that rate from the 28 days before, in standard deviations.");
}

std::vector<std::string> LakeGauges::tables() {
  std::vector<std::string> names{kQualityResults, kSessionsDaily, kAttributionDaily};
  for (const serve::EventTable& table : serve::event_tables())
    names.emplace_back(table.name);
  return names;
}

Result<bool> LakeGauges::has_changed(const std::string& what, const std::vector<std::string>& tables) {
  const auto versions = SHOPLAKE_TRY(lake_.versions(tables));
  if (versions.size() != tables.size())
    return false;
  std::string state;
  for (const serve::TableVersion& version : versions) {
    if (version.snapshot_id == 0)
      return false;  // it never had a row
    state += version.metadata_location + "\n";
  }
  std::string& before = read_[what];
  const bool is_new = before != state;
  before = std::move(state);
  return is_new;
}

Result<void> LakeGauges::read_newest_event(const serve::EventTable& table) {
  const std::string name(table.name);
  if (SHOPLAKE_TRY(has_changed("events of " + name, {name}))) {
    const serve::Lake::Contents contents = SHOPLAKE_TRY(serve::contents_of(lake_, table));
    if (contents.rows > 0)
      newest_event_micros_[name] = contents.greatest;
  }
  const auto newest = newest_event_micros_.find(name);
  if (newest != newest_event_micros_.end()) {
    const auto age = std::max<std::int64_t>(0, env_.now_micros() - newest->second);
    metrics_.set("shoplake_data_freshness_seconds", {{"table", name}}, static_cast<double>(age) / 1e6);
  }
  return {};
}

Result<void> LakeGauges::read_quality() {
  if (!SHOPLAKE_TRY(has_changed("quality", {kQualityResults})))
    return {};
  for (const auto& row : SHOPLAKE_TRY(lake_.query(kQualitySql)).rows) {
    const auto* table = std::get_if<std::string>(&row[0].data);
    if (table == nullptr)
      continue;
    metrics_.set("shoplake_quality_rules_passed", {{"table", *table}},
                 static_cast<double>(integer_of(row[1]).value_or(0)));
    metrics_.set("shoplake_quality_rules_failed", {{"table", *table}},
                 static_cast<double>(integer_of(row[2]).value_or(0)));
  }
  return {};
}

Result<void> LakeGauges::read_conversion_rate() {
  if (!SHOPLAKE_TRY(has_changed("conversion rate", {kSessionsDaily, kAttributionDaily})))
    return {};
  std::vector<watch::DailyRate> days;
  const std::string sql = fmt::format(kRatesSql, watch::kBaselineDaysMax + 1);
  for (const auto& row : SHOPLAKE_TRY(lake_.query(sql)).rows)
    days.push_back({number_of(row[0]), number_of(row[1])});
  if (!days.empty() && days[0].trials > 0)
    metrics_.set("shoplake_conversion_rate", {}, days[0].hits / days[0].trials);
  if (const auto distance = watch::deviation(days))
    metrics_.set("shoplake_conversion_rate_deviation", {}, *distance);
  return {};
}

Result<void> LakeGauges::refresh() {
  for (const serve::EventTable& table : serve::event_tables())
    SHOPLAKE_TRY(read_newest_event(table));
  SHOPLAKE_TRY(read_quality());
  return read_conversion_rate();
}

}  // namespace shoplake::app
