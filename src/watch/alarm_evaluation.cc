#include <fmt/format.h>

#include <algorithm>

#include "watch/alarm.h"

namespace shoplake::watch {
namespace {

// "60 s", "5 min", "1 h": a number of periods as time.
std::string span_text(std::int64_t seconds) {
  if (seconds % 3600 == 0)
    return fmt::format("{} h", seconds / 3600);
  if (seconds % 60 == 0)
    return fmt::format("{} min", seconds / 60);
  return fmt::format("{} s", seconds);
}

std::string_view symbol(Comparison comparison) {
  switch (comparison) {
    case Comparison::greater: return ">";
    case Comparison::greater_or_equal: return ">=";
    case Comparison::less: return "<";
    case Comparison::less_or_equal: break;
  }
  return "<=";
}

std::string list_text(const std::vector<double>& values) {
  std::string text;
  for (const double value : values)
    text += fmt::format("{}{:.6g}", text.empty() ? "" : ", ", value);
  return text;
}

// The real datapoints of the range, the newest first, with their age in periods.
struct Real {
  double value = 0;
  int age = 0;
  bool is_breaching = false;
};

std::string counted(const Alarm& alarm, int breaching, const std::vector<Real>& real, int filled) {
  std::vector<double> values;
  for (const Real& one : real)
    values.push_back(one.value);
  return fmt::format("{} of {} datapoints {} {:.6g}, {} are needed: {}{}", breaching, alarm.evaluation_periods,
                     symbol(alarm.comparison), alarm.threshold, alarm.datapoints_to_alarm,
                     values.empty() ? "none" : list_text(values),
                     filled > 0 ? fmt::format("; {} missing, taken as {}", filled, name(alarm.missing_data)) : "");
}

// "Premature alarm state": nothing in the range says that all is well, and the oldest breaching datapoint was M periods
// ago, so that waiting would tell nothing new.
bool is_premature(const Alarm& alarm, const std::vector<Real>& real) {
  return std::ranges::all_of(real, &Real::is_breaching) && real.back().age + 1 >= alarm.datapoints_to_alarm;
}

}  // namespace

int evaluation_range(const Alarm& alarm) { return alarm.evaluation_periods + kExtraPeriods; }

bool is_breaching(const Alarm& alarm, double value) {
  switch (alarm.comparison) {
    case Comparison::greater: return value > alarm.threshold;
    case Comparison::greater_or_equal: return value >= alarm.threshold;
    case Comparison::less: return value < alarm.threshold;
    case Comparison::less_or_equal: break;
  }
  return value <= alarm.threshold;
}

Evaluation evaluate(const Alarm& alarm, std::span<const std::optional<double>> datapoints, int watched_periods) {
  const int wanted = alarm.evaluation_periods;
  std::vector<Real> real;
  int missing_while_watched = 0;
  for (int age = 0; age < static_cast<int>(datapoints.size()); ++age) {
    if (const auto& value = datapoints[static_cast<std::size_t>(age)])
      real.push_back({*value, age, is_breaching(alarm, *value)});
    else if (age < watched_periods)
      ++missing_while_watched;
  }
  if (static_cast<int>(real.size()) > wanted)
    real.resize(static_cast<std::size_t>(wanted));  // older ones only stand in for missing ones
  const int missing = wanted - static_cast<int>(real.size());
  int breaching = static_cast<int>(std::ranges::count_if(real, &Real::is_breaching));
  if (real.empty() && alarm.missing_data == MissingData::missing)
    return {AlarmState::insufficient_data,
            fmt::format("there is no data of the last {}", span_text(evaluation_range(alarm) * alarm.period_seconds))};
  if (real.empty() && alarm.missing_data == MissingData::ignore)
    return {std::nullopt, "there is no data, which is ignored"};
  int unknown = 0;  // of those missing: before the alarm began
  if (missing > 0 && alarm.missing_data == MissingData::breaching) {
    unknown = std::max(0, missing - missing_while_watched);
    breaching += missing - unknown;
  }
  const std::string reason = counted(alarm, breaching, real, missing - unknown);
  if (breaching >= alarm.datapoints_to_alarm)
    return {AlarmState::alarm, reason};
  if (breaching + unknown >= alarm.datapoints_to_alarm)
    return {AlarmState::insufficient_data, reason + fmt::format("; {} are from before the alarm began", unknown)};
  const bool is_open = alarm.missing_data == MissingData::missing || alarm.missing_data == MissingData::ignore;
  if (missing > 0 && is_open && is_premature(alarm, real)) {
    if (alarm.missing_data == MissingData::ignore)
      return {std::nullopt, reason};
    return {AlarmState::alarm, reason + "; no datapoint since has said otherwise"};
  }
  return {AlarmState::ok, reason};
}

std::string condition_text(const Alarm& alarm) {
  std::string labels;
  for (const auto& [name, value] : alarm.dimensions)
    labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", name, value);
  return fmt::format("{} of {}{} in {} {} {:.6g}, {} of {} times", name(alarm.statistic), alarm.metric,
                     labels.empty() ? "" : "{" + labels + "}", span_text(alarm.period_seconds),
                     symbol(alarm.comparison), alarm.threshold, alarm.datapoints_to_alarm, alarm.evaluation_periods);
}

}  // namespace shoplake::watch
