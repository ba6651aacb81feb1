// Alarms: what is watched, as values, and how Amazon CloudWatch decides between OK, ALARM and INSUFFICIENT_DATA: M of N
// datapoints, and what is made of those that are missing. Definitions are YAML files, alarms/*.yml; docs/watch.md
// describes them. Pure but for read_alarms().
//
// Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and
// …/alarms-and-missing-data.html, whose two tables are a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::watch {

enum class AlarmState { insufficient_data, ok, alarm };
enum class Statistic { average, sum, minimum, maximum, sample_count };
enum class Comparison { greater, greater_or_equal, less, less_or_equal };  // than the threshold: that is breaching
enum class MissingData { missing, ignore, breaching, not_breaching };

// As CloudWatch spells them: "INSUFFICIENT_DATA", "Average", "GreaterThanThreshold", "notBreaching".
std::string_view name(AlarmState state);
std::string_view name(Statistic statistic);
std::string_view name(Comparison comparison);
std::string_view name(MissingData treatment);
std::optional<AlarmState> parse_alarm_state(std::string_view text);

using Dimensions = std::map<std::string, std::string>;

struct Alarm {
  std::string name;
  std::string description;
  std::string metric;
  Dimensions dimensions;  // of all series of the metric that have these labels, taken together
  Statistic statistic = Statistic::average;
  std::int64_t period_seconds = 60;
  int evaluation_periods = 1;   // N
  int datapoints_to_alarm = 1;  // M
  Comparison comparison = Comparison::greater;
  double threshold = 0;
  MissingData missing_data = MissingData::missing;
  std::string topic;
  std::set<AlarmState> notify{AlarmState::alarm, AlarmState::ok};
  std::string place;  // "alarms/pipeline.yml:12"
};

inline constexpr std::size_t kAlarmsMax = 500;
inline constexpr std::int64_t kRangeSecondsMax = 7 * 86'400;  // N periods; of periods below an hour a day

// The alarms of one file. Errors watch.bad_alarm (usage), beginning with file, line and column.
base::Result<std::vector<Alarm>> parse_alarms(std::string_view yaml, std::string_view path);
// All of a folder's *.yml files by name; none if there is no such folder. Error watch.bad_alarm: also two of one name.
base::Result<std::vector<Alarm>> read_alarms(io::Env& env, const std::string& directory);

// How many periods are looked at: N, and kExtraPeriods further back for those that are missing. CloudWatch does not say
// how many it takes; in its examples 5 for N = 3.
inline constexpr int kExtraPeriods = 2;
int evaluation_range(const Alarm& alarm);

struct Evaluation {
  std::optional<AlarmState> state;  // none: as it was
  std::string reason;               // one sentence
};
// `datapoints`: evaluation_range() of them, the newest first; none where there was no data. `watched_periods`: how many
// of them are since the alarm began. Nobody knows what an earlier one would have been if it is missing: it is not taken
// as breaching, and while it might decide, the state is INSUFFICIENT_DATA, which CloudWatch has for an alarm that "has
// just started".
inline constexpr int kWatchedLongAgo = std::numeric_limits<int>::max();
Evaluation evaluate(const Alarm& alarm, std::span<const std::optional<double>> datapoints,
                    int watched_periods = kWatchedLongAgo);

bool is_breaching(const Alarm& alarm, double value);

// "Average of shoplake_log_freshness_seconds{consumer="live"} > 300 for 5 of 5 minutes"
std::string condition_text(const Alarm& alarm);

}  // namespace shoplake::watch
