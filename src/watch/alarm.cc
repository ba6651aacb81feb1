#include "watch/alarm.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/nearest_name.h"
#include "watch/topics.h"

namespace shoplake::watch {
namespace {

using base::Result;

template <typename T>
using Spellings = std::span<const std::pair<std::string_view, T>>;

constexpr std::array<std::pair<std::string_view, AlarmState>, 3> kStates{
    {{"OK", AlarmState::ok}, {"ALARM", AlarmState::alarm}, {"INSUFFICIENT_DATA", AlarmState::insufficient_data}}};
constexpr std::array<std::pair<std::string_view, Statistic>, 5> kStatistics{{{"Average", Statistic::average},
                                                                             {"Sum", Statistic::sum},
                                                                             {"Minimum", Statistic::minimum},
                                                                             {"Maximum", Statistic::maximum},
                                                                             {"SampleCount", Statistic::sample_count}}};
constexpr std::array<std::pair<std::string_view, Comparison>, 4> kComparisons{
    {{"GreaterThanThreshold", Comparison::greater},
     {"GreaterThanOrEqualToThreshold", Comparison::greater_or_equal},
     {"LessThanThreshold", Comparison::less},
     {"LessThanOrEqualToThreshold", Comparison::less_or_equal}}};
constexpr std::array<std::pair<std::string_view, MissingData>, 4> kTreatments{
    {{"missing", MissingData::missing},
     {"ignore", MissingData::ignore},
     {"breaching", MissingData::breaching},
     {"notBreaching", MissingData::not_breaching}}};

template <typename T, std::size_t N>
std::string_view spelling(const std::array<std::pair<std::string_view, T>, N>& all, T value) {
  for (const auto& [text, one] : all) {
    if (one == value)
      return text;
  }
  return "";
}

const std::vector<std::string> kKeys{"name",
                                     "description",
                                     "metric",
                                     "dimensions",
                                     "statistic",
                                     "period",
                                     "evaluation_periods",
                                     "datapoints_to_alarm",
                                     "comparison",
                                     "threshold",
                                     "missing_data",
                                     "topic",
                                     "notify"};
constexpr std::size_t kNameMax = 255;
constexpr std::int64_t kHour = 3600;

class Parser {
 public:
  explicit Parser(std::string_view path) : path_(path) {}

  Result<std::vector<Alarm>> parse(std::string_view yaml) {
    YAML::Node document;
    try {
      document = YAML::Load(std::string(yaml));
    } catch (const YAML::Exception& exception) {
      return wrong(exception.mark, exception.msg);
    }
    std::vector<Alarm> alarms;
    if (document.IsNull())
      return alarms;
    const YAML::Node list = document.IsMap() ? document["alarms"] : YAML::Node();
    if (!list || !list.IsSequence() || document.size() != 1)
      return wrong(document.Mark(), "the file has one key, alarms, a list");
    for (const YAML::Node& node : list)
      alarms.push_back(SHOPLAKE_TRY(parse_alarm(node)));
    return alarms;
  }

 private:
  base::Error wrong(const YAML::Mark& mark, const std::string& what, std::string advice = {}) const {
    return base::make_error(base::ErrorKind::usage, "watch.bad_alarm",
                            fmt::format("{}:{}:{}: {}", path_, mark.line + 1, mark.column + 1, what),
                            std::move(advice));
  }

  Result<Alarm> parse_alarm(const YAML::Node& node) const {
    if (!node.IsMap())
      return wrong(node.Mark(), "an alarm is a mapping of keys to values");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (std::ranges::find(kKeys, key) == kKeys.end()) {
        const std::string meant = base::nearest_name(key, kKeys);
        return wrong(entry.first.Mark(), fmt::format("an alarm has no key \"{}\"", key),
                     meant.empty() ? "" : fmt::format("Did you mean {}?", meant));
      }
      if (!seen.insert(key).second)
        return wrong(entry.first.Mark(), fmt::format("the key {} stands twice", key));
    }
    Alarm alarm;
    alarm.place = fmt::format("{}:{}", path_, node.Mark().line + 1);
    alarm.name = SHOPLAKE_TRY(text(node, "name"));
    if (!is_name(alarm.name))
      return wrong(node["name"].Mark(), fmt::format("\"{}\" is no name: letters, digits, - and _", alarm.name));
    if (node["description"])
      alarm.description = SHOPLAKE_TRY(text(node, "description"));
    alarm.metric = SHOPLAKE_TRY(text(node, "metric"));
    SHOPLAKE_TRY(read_dimensions(node["dimensions"], alarm));
    alarm.statistic = SHOPLAKE_TRY(choice(node, "statistic", kStatistics, std::optional<Statistic>()));
    SHOPLAKE_TRY(read_periods(node, alarm));
    alarm.comparison = SHOPLAKE_TRY(choice(node, "comparison", kComparisons, std::optional<Comparison>()));
    alarm.threshold = SHOPLAKE_TRY(number(node, "threshold"));
    alarm.missing_data = SHOPLAKE_TRY(choice(node, "missing_data", kTreatments, std::optional(MissingData::missing)));
    auto topic = topic_name(SHOPLAKE_TRY(text(node, "topic")));
    if (!topic.ok())
      return wrong(node["topic"].Mark(), topic.error().message, topic.error().advice);
    alarm.topic = std::move(topic).value();
    SHOPLAKE_TRY(read_notify(node["notify"], alarm));
    return alarm;
  }

  static bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kNameMax &&
           std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
  }

  Result<std::string> text(const YAML::Node& node, const char* key) const {
    const YAML::Node value = node[key];
    if (!value)
      return wrong(node.Mark(), fmt::format("an alarm needs the key {}", key));
    if (!value.IsScalar() || value.Scalar().empty())
      return wrong(value.Mark(), fmt::format("{} is a text", key));
    return value.Scalar();
  }

  Result<double> number(const YAML::Node& node, const char* key) const {
    const std::string written = SHOPLAKE_TRY(text(node, key));
    double value = 0;
    const auto [end, code] = std::from_chars(written.data(), written.data() + written.size(), value);
    if (code != std::errc() || end != written.data() + written.size() || !std::isfinite(value))
      return wrong(node[key].Mark(), fmt::format("{}: \"{}\" is no number", key, written));
    return value;
  }

  Result<std::int64_t> integer(const YAML::Node& node, const char* key, std::int64_t least, std::int64_t most) const {
    const double value = SHOPLAKE_TRY(number(node, key));
    if (value != std::floor(value) || value < static_cast<double>(least) || value > static_cast<double>(most))
      return wrong(node[key].Mark(), fmt::format("{} is a whole number from {} to {}", key, least, most));
    return static_cast<std::int64_t>(value);
  }

  template <typename T, std::size_t N>
  Result<T> choice(const YAML::Node& node, const char* key, const std::array<std::pair<std::string_view, T>, N>& all,
                   std::optional<T> otherwise) const {
    if (!node[key] && otherwise)
      return *otherwise;
    const std::string written = SHOPLAKE_TRY(text(node, key));
    std::string known;
    for (const auto& [spelled, value] : all) {
      if (spelled == written)
        return value;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", spelled);
    }
    return wrong(node[key].Mark(), fmt::format("{}: \"{}\" is not known", key, written), "Known are " + known + ".");
  }

  Result<void> read_dimensions(const YAML::Node& node, Alarm& alarm) const {
    if (!node)
      return {};
    if (!node.IsMap())
      return wrong(node.Mark(), "dimensions is a mapping of labels to values: {consumer: live}");
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() || !entry.second.IsScalar())
        return wrong(entry.first.Mark(), "a dimension has one value");
      alarm.dimensions[entry.first.Scalar()] = entry.second.Scalar();
    }
    return {};
  }

  Result<void> read_periods(const YAML::Node& node, Alarm& alarm) const {
    alarm.period_seconds = node["period"] ? SHOPLAKE_TRY(integer(node, "period", 10, kRangeSecondsMax)) : 60;
    const std::int64_t period = alarm.period_seconds;
    if (period != 10 && period != 20 && period != 30 && period % 60 != 0)
      return wrong(node["period"].Mark(), "period is 10, 20, 30 or a multiple of 60 seconds");
    alarm.evaluation_periods =
        node["evaluation_periods"] ? static_cast<int>(SHOPLAKE_TRY(integer(node, "evaluation_periods", 1, 8640))) : 1;
    const std::int64_t most = period < kHour ? 24 * kHour : kRangeSecondsMax;
    if (period * alarm.evaluation_periods > most)
      return wrong(node["evaluation_periods"].Mark(),
                   fmt::format("{} periods of {} s are more than {} days", alarm.evaluation_periods, period,
                               most / (24 * kHour)));
    alarm.datapoints_to_alarm =
        node["datapoints_to_alarm"]
            ? static_cast<int>(SHOPLAKE_TRY(integer(node, "datapoints_to_alarm", 1, alarm.evaluation_periods)))
            : alarm.evaluation_periods;
    return {};
  }

  Result<void> read_notify(const YAML::Node& node, Alarm& alarm) const {
    if (!node)
      return {};
    if (!node.IsSequence())
      return wrong(node.Mark(), "notify is a list of states: [ALARM, OK]");
    alarm.notify.clear();
    for (const YAML::Node& state : node) {
      const auto known = parse_alarm_state(state.IsScalar() ? state.Scalar() : "");
      if (!known)
        return wrong(state.Mark(), "a state is ALARM, OK or INSUFFICIENT_DATA");
      alarm.notify.insert(*known);
    }
    return {};
  }

  std::string path_;
};

}  // namespace

std::string_view name(AlarmState state) { return spelling(kStates, state); }
std::string_view name(Statistic statistic) { return spelling(kStatistics, statistic); }
std::string_view name(Comparison comparison) { return spelling(kComparisons, comparison); }
std::string_view name(MissingData treatment) { return spelling(kTreatments, treatment); }

std::optional<AlarmState> parse_alarm_state(std::string_view text) {
  for (const auto& [spelled, state] : kStates) {
    if (spelled == text)
      return state;
  }
  return {};
}

Result<std::vector<Alarm>> parse_alarms(std::string_view yaml, std::string_view path) {
  return Parser(path).parse(yaml);
}

Result<std::vector<Alarm>> read_alarms(io::Env& env, const std::string& directory) {
  std::vector<Alarm> alarms;
  if (!SHOPLAKE_TRY(env.exists(directory)))
    return alarms;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(directory))) {
    if (entry.is_directory || !entry.name.ends_with(".yml"))
      continue;
    const std::string path = io::join_path(directory, entry.name);
    for (Alarm& alarm : SHOPLAKE_TRY(parse_alarms(SHOPLAKE_TRY(env.read_file(path)), path))) {
      const auto same = std::ranges::find(alarms, alarm.name, &Alarm::name);
      if (same != alarms.end() || alarms.size() >= kAlarmsMax) {
        return base::make_error(base::ErrorKind::usage, "watch.bad_alarm",
                                same != alarms.end() ? fmt::format("{}: there is an alarm of the name {} at {} already",
                                                                   alarm.place, alarm.name, same->place)
                                                     : fmt::format("{}: more than {} alarms", directory, kAlarmsMax),
                                "Take another name.");
      }
      alarms.push_back(std::move(alarm));
    }
  }
  std::ranges::sort(alarms, {}, &Alarm::name);
  return alarms;
}

}  // namespace shoplake::watch
