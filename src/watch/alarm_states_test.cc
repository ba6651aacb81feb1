// Every change of an alarm's state, with a clock of the test's own: all nine directions, each treatment of missing
// data, the first start of a server, outages over a restart, and every alarm that comes with shoplake.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/env.h"
#include "watch/alarm_rehearsal.h"
#include "watch/anomaly.h"

namespace shoplake::watch {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

using Strings = std::vector<std::string>;

class AlarmStates : public AlarmRehearsal {
 protected:
  AlarmStates() { metrics_.describe_gauge("up", ""); }

  // Down when `up` is below 1 in M of N minutes; all changes are told.
  static Alarm make_alarm(MissingData missing, int needed, int of) {
    Alarm alarm;
    alarm.name = "down";
    alarm.metric = "up";
    alarm.statistic = Statistic::minimum;
    alarm.evaluation_periods = of;
    alarm.datapoints_to_alarm = needed;
    alarm.comparison = Comparison::less;
    alarm.threshold = 1;
    alarm.missing_data = missing;
    alarm.notify = {AlarmState::ok, AlarmState::alarm, AlarmState::insufficient_data};
    alarm.topic = kPipelineNotifications;
    return alarm;
  }

  // Minutes of a server that reads 1 (up) or 0 (down), or of none (-) while somebody else evaluates. Each minute's end
  // is decided by a keeper of its own: what counts is what is stored. Returns the changes by minute: "4 OK>ALARM" when
  // the fourth minute was over.
  Strings play(const Alarm& alarm, const std::string& minutes) {
    Strings changes;
    if (!keeper_) {
      open({alarm});
      EXPECT_EQ(changes_text(keeper_->evaluate(now_)), "") << "takes note of the alarm";
    }
    for (const char minute : minutes) {
      if (minute == '-')
        now_ += kMinute;
      else
        AlarmRehearsal::minute([&] { metrics_.set("up", {}, minute == '1' ? 1.0 : 0.0); });
      std::string changed = minute == '-' ? "" : changes_text(keeper_->observe(probe_, now_));
      open({alarm});
      changed += changes_text(keeper_->evaluate(now_));
      ++minute_;
      if (!changed.empty())
        changes.push_back(fmt::format("{} {}", minute_, changed.substr(0, changed.size() - 1)));
    }
    return changes;
  }

  int minute_ = 0;
};

// The last of the minutes makes the change, and the one before it did not.
struct Direction {
  const char* name;
  AlarmState from;
  AlarmState to;
  MissingData missing;
  int needed;  // of three
  const char* minutes;
  Strings told;  // in all minutes
};

class AlarmDirections : public AlarmStates, public testing::WithParamInterface<Direction> {};

TEST_P(AlarmDirections, AreTaken) {
  const Direction& row = GetParam();
  const Alarm alarm = make_alarm(row.missing, row.needed, 3);
  const std::string minutes = row.minutes;
  play(alarm, minutes.substr(0, minutes.size() - 1));
  const AlarmStatus before = keeper_->status("down").value();
  const std::size_t changes_before = keeper_->history("down", 100)->size();
  ASSERT_EQ(before.state, row.from) << before.reason;
  const Strings changes = play(alarm, minutes.substr(minutes.size() - 1));
  const AlarmStatus after = keeper_->status("down").value();
  EXPECT_EQ(after.state, row.to) << after.reason;
  if (row.from == row.to) {
    EXPECT_THAT(changes, IsEmpty());
    EXPECT_EQ(keeper_->history("down", 100)->size(), changes_before);
    EXPECT_EQ(after.since_micros, before.since_micros);
  } else {
    EXPECT_THAT(changes, ElementsAre(fmt::format("{} {}>{}", minutes.size(), name(row.from), name(row.to))));
    ASSERT_EQ(keeper_->history("down", 100)->size(), changes_before + 1);
    EXPECT_EQ(keeper_->history("down", 1)->front().at_micros, now_);
    EXPECT_EQ(after.since_micros, now_);
  }
  EXPECT_EQ(told(), row.told);
}

constexpr auto kInsufficient = AlarmState::insufficient_data;
constexpr auto kOk = AlarmState::ok;
constexpr auto kAlarm = AlarmState::alarm;
constexpr char kToldAlarm[] = "ALARM: down";
constexpr char kToldOk[] = "OK: down";
constexpr char kToldInsufficient[] = "INSUFFICIENT_DATA: down";

const auto direction_name = [](const auto& info) { return info.param.name; };

constexpr auto kMissing = MissingData::missing;
INSTANTIATE_TEST_SUITE_P(
    Missing, AlarmDirections,
    testing::Values(
        Direction{"none_yet", kInsufficient, kInsufficient, kMissing, 2, "--", {}},
        Direction{"first_is_good", kInsufficient, kOk, kMissing, 2, "1", {}},
        Direction{"first_is_bad_and_one_is_enough", kInsufficient, kAlarm, kMissing, 1, "0", {kToldAlarm}},
        Direction{"first_is_bad_and_one_is_not_enough", kInsufficient, kOk, kMissing, 2, "0", {}},
        Direction{"stays_good", kOk, kOk, kMissing, 2, "1111", {}},
        Direction{"one_slip", kOk, kOk, kMissing, 2, "11101", {}},
        Direction{"two_slips_of_three", kOk, kAlarm, kMissing, 2, "111010", {kToldAlarm}},
        Direction{
            "a_slip_and_nothing_since", kOk, kAlarm, kMissing, 2, "1-----0-", {kToldInsufficient, kToldOk, kToldAlarm}},
        Direction{"nobody_reads_for_four", kOk, kOk, kMissing, 2, "11----", {}},
        Direction{"nobody_reads_for_five", kOk, kInsufficient, kMissing, 2, "11-----", {kToldInsufficient}},
        Direction{"stays_bad", kAlarm, kAlarm, kMissing, 2, "110000", {kToldAlarm}},
        Direction{"one_good_is_not_enough", kAlarm, kAlarm, kMissing, 2, "11001", {kToldAlarm}},
        Direction{"good_again", kAlarm, kOk, kMissing, 2, "110011", {kToldAlarm, kToldOk}},
        Direction{
            "bad_then_nobody_reads", kAlarm, kInsufficient, kMissing, 2, "100-----", {kToldAlarm, kToldInsufficient}},
        Direction{"good_after_nobody_read",
                  kInsufficient,
                  kOk,
                  kMissing,
                  2,
                  "100-----1",
                  {kToldAlarm, kToldInsufficient, kToldOk}},
        Direction{
            "bad_after_nobody_read", kInsufficient, kAlarm, kMissing, 1, "1-----0", {kToldInsufficient, kToldAlarm}}),
    direction_name);

constexpr auto kIgnore = MissingData::ignore;
INSTANTIATE_TEST_SUITE_P(
    Ignore, AlarmDirections,
    testing::Values(Direction{"none_yet", kInsufficient, kInsufficient, kIgnore, 2, "-------", {}},
                    Direction{"first_is_good", kInsufficient, kOk, kIgnore, 2, "--1", {}},
                    Direction{"first_is_bad", kInsufficient, kAlarm, kIgnore, 1, "--0", {kToldAlarm}},
                    Direction{"good_and_nobody_reads", kOk, kOk, kIgnore, 2, "11------", {}},
                    Direction{"bad", kOk, kAlarm, kIgnore, 2, "1100", {kToldAlarm}},
                    Direction{"bad_and_nobody_reads", kAlarm, kAlarm, kIgnore, 2, "1100-------", {kToldAlarm}},
                    Direction{"good_after_nobody_read", kAlarm, kOk, kIgnore, 2, "1100------1", {kToldAlarm, kToldOk}}),
    direction_name);

constexpr auto kBreaching = MissingData::breaching;
INSTANTIATE_TEST_SUITE_P(
    Breaching, AlarmDirections,
    testing::Values(Direction{"one_good_is_too_few", kInsufficient, kInsufficient, kBreaching, 2, "1", {}},
                    Direction{"one_bad_is_too_few", kInsufficient, kInsufficient, kBreaching, 2, "0", {}},
                    Direction{"one_missing_is_too_few", kInsufficient, kInsufficient, kBreaching, 2, "-", {}},
                    Direction{"enough_good", kInsufficient, kOk, kBreaching, 2, "11", {}},
                    Direction{"one_good_of_three_of_three", kInsufficient, kOk, kBreaching, 3, "1", {}},
                    Direction{"enough_bad", kInsufficient, kAlarm, kBreaching, 2, "00", {kToldAlarm}},
                    Direction{"enough_missing", kInsufficient, kAlarm, kBreaching, 2, "--", {kToldAlarm}},
                    Direction{"bad_and_missing", kInsufficient, kAlarm, kBreaching, 2, "0-", {kToldAlarm}},
                    Direction{"stays_good", kOk, kOk, kBreaching, 2, "1111", {}},
                    Direction{"three_missing", kOk, kOk, kBreaching, 2, "111---", {}},
                    Direction{"four_missing", kOk, kAlarm, kBreaching, 2, "111----", {kToldAlarm}},
                    Direction{"stays_missing", kAlarm, kAlarm, kBreaching, 2, "111-----", {kToldAlarm}},
                    Direction{"one_back", kAlarm, kAlarm, kBreaching, 2, "111-----1", {kToldAlarm}},
                    Direction{"two_back", kAlarm, kOk, kBreaching, 2, "111-----11", {kToldAlarm, kToldOk}}),
    direction_name);

constexpr auto kNotBreaching = MissingData::not_breaching;
INSTANTIATE_TEST_SUITE_P(
    NotBreaching, AlarmDirections,
    testing::Values(Direction{"none_yet", kInsufficient, kOk, kNotBreaching, 2, "-", {}},
                    Direction{"first_is_bad", kInsufficient, kAlarm, kNotBreaching, 1, "0", {kToldAlarm}},
                    Direction{"nobody_reads", kOk, kOk, kNotBreaching, 2, "1---------", {}},
                    Direction{"bad", kOk, kAlarm, kNotBreaching, 2, "-00", {kToldAlarm}},
                    Direction{"missing_but_in_range", kAlarm, kAlarm, kNotBreaching, 2, "1100---", {kToldAlarm}},
                    Direction{"missing", kAlarm, kOk, kNotBreaching, 2, "1100----", {kToldAlarm, kToldOk}}),
    direction_name);

// M of N, from one of one to six of six: goes off with the M-th bad minute, and is well when fewer than M are left.
TEST_F(AlarmStates, CountsMOfN) {
  for (int of = 1; of <= 6; ++of) {
    for (int needed = 1; needed <= of; ++needed) {
      Alarm alarm = make_alarm(kMissing, needed, of);
      alarm.name = fmt::format("down-{}-of-{}", needed, of);
      keeper_.reset();
      minute_ = 0;
      const std::string good(static_cast<std::size_t>(of), '1');
      const std::string bad(static_cast<std::size_t>(of), '0');
      play(alarm, good);
      EXPECT_THAT(play(alarm, bad), ElementsAre(fmt::format("{} OK>ALARM", of + needed))) << alarm.name;
      EXPECT_THAT(play(alarm, good), ElementsAre(fmt::format("{} ALARM>OK", 2 * of + of - needed + 1))) << alarm.name;
    }
  }
}

// ── the first start, and restarts ──────────────────────────────────────────────────────────────────────────────────

class ShippedAlarms : public AlarmStates {
 protected:
  ShippedAlarms() {
    const auto alarms = read_alarms(io::posix_env(), std::string(SHOPLAKE_SOURCE_DIR) + "/alarms");
    EXPECT_TRUE(alarms.ok()) << (alarms.ok() ? "" : to_string(alarms.error()));
    for (const Alarm& alarm : alarms.ok() ? *alarms : std::vector<Alarm>())
      shipped_[alarm.name] = alarm;
  }
  std::map<std::string, Alarm> shipped_;
};

// A server of pipeline-down's six minutes of six: 1 it works, 0 it does not, . it does not run and nobody evaluates.
struct Start {
  const char* name;
  const char* minutes;
  Strings changes;  // by the minute after which they were decided
  Strings told;
};

class FirstStart : public ShippedAlarms, public testing::WithParamInterface<Start> {};

TEST_P(FirstStart, TellsOnlyWhatIsSo) {
  metrics_.describe_gauge("shoplake_pipeline_up", "");
  Strings changes;
  int number = 0;
  const auto note = [&](const std::string& changed) {
    if (!changed.empty())
      changes.push_back(fmt::format("{} {}", number, changed.substr(0, changed.size() - 1)));
  };
  for (const char* minute = GetParam().minutes; *minute != '\0'; ++minute) {
    if (*minute == '.') {
      keeper_.reset();
      now_ += kMinute;
    } else {
      if (!keeper_)
        open({shipped_.at("pipeline-down")});
      note(AlarmRehearsal::minute([&] {
        metrics_.set("shoplake_pipeline_up", {{"stage", "live"}}, *minute == '1' ? 1.0 : 0.0);
      }));
    }
    ++number;
  }
  if (keeper_)
    note(changes_text(keeper_->observe(probe_, now_)));
  EXPECT_EQ(changes, GetParam().changes);
  EXPECT_EQ(told(), GetParam().told);
}

constexpr char kDownTold[] = "ALARM: pipeline-down";
constexpr char kUpTold[] = "OK: pipeline-down";
INSTANTIATE_TEST_SUITE_P(
    All, FirstStart,
    testing::Values(
        Start{"works_at_once", "11111111", {"1 INSUFFICIENT_DATA>OK"}, {}},
        Start{"works_after_a_while", "00001111", {"5 INSUFFICIENT_DATA>OK"}, {}},
        Start{"works_in_the_last_minute", "0000011", {"6 INSUFFICIENT_DATA>OK"}, {}},
        Start{"never_works", "00000000", {"6 INSUFFICIENT_DATA>ALARM"}, {kDownTold}},
        Start{"works_too_late", "00000011", {"6 INSUFFICIENT_DATA>ALARM", "7 ALARM>OK"}, {kDownTold, kUpTold}},
        Start{"is_started_again_soon", "11...111", {"1 INSUFFICIENT_DATA>OK"}, {}},
        Start{"is_started_again_in_the_first_minutes", "0..0011", {"6 INSUFFICIENT_DATA>OK"}, {}},
        Start{"outage_over_a_restart",
              "1111111..........11",
              {"1 INSUFFICIENT_DATA>OK", "17 OK>ALARM", "18 ALARM>OK"},
              {kDownTold, kUpTold}},
        Start{"outage_over_a_restart_that_does_not_help",
              "1111111..........00",
              {"1 INSUFFICIENT_DATA>OK", "17 OK>ALARM"},
              {kDownTold}},
        Start{"outage_after_the_first_minute",
              "1..........11",
              {"11 INSUFFICIENT_DATA>ALARM", "12 ALARM>OK"},
              {kDownTold, kUpTold}},
        Start{"two_outages",
              "11........11........11",
              {"1 INSUFFICIENT_DATA>OK", "10 OK>ALARM", "11 ALARM>OK", "20 OK>ALARM", "21 ALARM>OK"},
              {kDownTold, kUpTold, kDownTold, kUpTold}}),
    [](const auto& info) { return info.param.name; });

// A condition that was changed begins anew: what is missing from before is not held against it.
TEST_F(ShippedAlarms, AChangedConditionIsNoOutage) {
  metrics_.describe_gauge("shoplake_pipeline_up", "");
  Alarm alarm = shipped_.at("pipeline-down");
  open({alarm});
  minute([&] { metrics_.set("shoplake_pipeline_up", {{"stage", "live"}}, 1); });
  keeper_.reset();
  now_ += 60 * kMinute;
  alarm.dimensions = {{"stage", "deliver"}};
  open({alarm});
  std::string changes;
  for (int i = 0; i < 3; ++i)
    changes += minute([&] { metrics_.set("shoplake_pipeline_up", {{"stage", "deliver"}}, i == 0 ? 0 : 1); });
  EXPECT_EQ(changes, "INSUFFICIENT_DATA>OK ");
  EXPECT_THAT(told(), IsEmpty());
}

// ── each alarm that comes with shoplake ────────────────────────────────────────────────────────────────────────────

// What is just well and just not, and how many periods it takes.
struct Shipped {
  std::string alarm;
  base::Metrics::Type type;
  const char* label;  // of the series; none if empty
  const char* value;
  const char* another;  // its value in a series that does not count; all count if empty
  double well;          // of a counter: what a period adds
  double not_well;
  int periods;
  std::string_view topic;
};

class EachShippedAlarm : public ShippedAlarms {
 protected:
  // One period of readings of that value; what was decided meanwhile.
  std::string period(const Alarm& alarm, const Shipped& row, double value) {
    const std::int64_t minutes = alarm.period_seconds / 60;
    const double readings = static_cast<double>(6 * minutes);
    std::string changes;
    for (std::int64_t i = 0; i < minutes; ++i) {
      changes += minute([&] {
        if (row.type == base::Metrics::Type::counter)
          metrics_.add(alarm.metric, {{row.label, row.value}}, value / readings);
        else
          set(alarm, row, value);
      });
    }
    return changes;
  }

  void set(const Alarm& alarm, const Shipped& row, double value) {
    if (row.type == base::Metrics::Type::counter)
      return;
    if (*row.label == '\0')
      metrics_.set(alarm.metric, {}, value);
    else
      metrics_.set(alarm.metric, {{row.label, row.value}}, value);
    if (*row.another != '\0')
      metrics_.set(alarm.metric, {{row.label, row.another}}, row.not_well);
  }
};

const std::vector<Shipped>& shipped_rows() {
  constexpr auto kGauge = base::Metrics::Type::gauge;
  constexpr auto kCounter = base::Metrics::Type::counter;
  static const std::vector<Shipped> rows{
      {"pipeline-down", kGauge, "stage", "live", "", 1, 0, 6, kPipelineNotifications},
      {"pipeline-behind", kGauge, "consumer", "live", "deliver", 300, 301, 3, kPipelineNotifications},
      {"delivery-behind", kGauge, "", "", "", 900, 901, 2, kPipelineNotifications},
      {"load-errors", kCounter, "stage", "ingest", "", 0, 1, 1, kPipelineNotifications},
      {"server-errors", kCounter, "kind", "write", "", 0, 1, 1, kPipelineNotifications},
      {"data-freshness", kGauge, "table", "processed.events", "", 172'800, 172'801, 3, kDataQualityAlerts},
      {"quality-rules", kGauge, "table", "processed.events", "", 0, 1, 1, kDataQualityAlerts},
      {"dead-letters", kCounter, "dataset", "events", "", 9, 11, 2, kDataQualityAlerts},
      {"collector-dead-letters", kCounter, "stream", "events", "", 9, 11, 2, kDataQualityAlerts},
      {"conversion-rate-anomaly", kGauge, "", "", "", 3, 3.01, 1, kDataQualityAlerts},
      {"daily-budget", kGauge, "period", "day", "month", 1, 1.01, 1, kCostAlerts},
      {"monthly-budget-nearly-used", kGauge, "period", "month", "day", 0.8, 0.81, 1, kCostAlerts},
      {"monthly-budget", kGauge, "period", "month", "day", 1, 1.01, 1, kCostAlerts},
  };
  return rows;
}

TEST_F(EachShippedAlarm, GoesOffInTimeAndComesBack) {
  Strings tried;
  for (const Shipped& row : shipped_rows()) {
    SCOPED_TRACE(row.alarm);
    ASSERT_TRUE(shipped_.contains(row.alarm));
    tried.push_back(row.alarm);
    const Alarm& alarm = shipped_.at(row.alarm);
    EXPECT_EQ(alarm.topic, row.topic);
    if (row.type == base::Metrics::Type::counter)
      metrics_.describe_counter(alarm.metric, "");
    else
      metrics_.describe_gauge(alarm.metric, "");
    now_ = (now_ / (1440 * kMinute) + 2) * 1440 * kMinute;  // a midnight; what the one before has left is out of range
    open({alarm});
    std::string changes;
    for (int i = 0; i <= alarm.evaluation_periods; ++i)
      changes += period(alarm, row, row.well);
    EXPECT_EQ(changes, "INSUFFICIENT_DATA>OK ");
    const std::size_t told_before = told().size();
    for (int i = 1; i < row.periods; ++i)
      EXPECT_EQ(period(alarm, row, row.not_well), "") << "period " << i;
    EXPECT_EQ(period(alarm, row, row.not_well), "");
    set(alarm, row, row.well);
    EXPECT_EQ(changes_text(keeper_->observe(probe_, now_)), "OK>ALARM ");
    ASSERT_EQ(told().size(), told_before + 1);
    EXPECT_EQ(notifications()[0].notification.topic, row.topic);
    EXPECT_EQ(told().back(), "ALARM: " + row.alarm);
    changes.clear();
    for (int i = 0; i <= alarm.evaluation_periods; ++i)
      changes += period(alarm, row, row.well);
    EXPECT_EQ(changes, "ALARM>OK ");
    EXPECT_EQ(told().back(), "OK: " + row.alarm);
  }
  Strings all;
  for (const auto& [name, alarm] : shipped_)
    all.push_back(name);
  EXPECT_THAT(tried, testing::UnorderedElementsAreArray(all)) << "an alarm without a row";
}

// A shop's days, the newest last, as orders of sessions; a day's rate is known for a period of the alarm.
struct Days {
  const char* name;
  std::vector<DailyRate> days;
  Strings states;  // of the last days
};

class ConversionRate : public ShippedAlarms, public testing::WithParamInterface<Days> {};

TEST_P(ConversionRate, IsAnAnomalyOnlyWhereItIsOne) {
  metrics_.describe_gauge("shoplake_conversion_rate_deviation", "");
  const Alarm& alarm = shipped_.at("conversion-rate-anomaly");
  open({alarm});
  Strings states;
  std::vector<DailyRate> newest_first;
  for (const DailyRate& day : GetParam().days) {
    newest_first.insert(newest_first.begin(), day);
    const auto distance = deviation(newest_first);
    for (std::int64_t i = 0; i < alarm.period_seconds / 60; ++i) {
      minute([&] {
        if (distance)
          metrics_.set("shoplake_conversion_rate_deviation", {}, *distance);
      });
    }
    ASSERT_TRUE(keeper_->observe(probe_, now_).ok());
    open({alarm});  // forgets that reading, which is of the next day
    states.emplace_back(name(keeper_->status(alarm.name)->state));
  }
  ASSERT_GE(states.size(), GetParam().states.size());
  states.erase(states.begin(), states.end() - static_cast<std::ptrdiff_t>(GetParam().states.size()));
  EXPECT_THAT(states, ElementsAreArray(GetParam().states));
}

std::vector<DailyRate> days(std::size_t count, DailyRate usual, const std::vector<DailyRate>& then) {
  std::vector<DailyRate> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back({usual.hits * (i % 2 == 0 ? 0.95 : 1.05), usual.trials});
  all.insert(all.end(), then.begin(), then.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    All, ConversionRate,
    testing::Values(Days{"six_days_are_too_few", days(6, {30, 1000}, {{0, 1000}}), {"INSUFFICIENT_DATA"}},
                    Days{"seven_days_are_enough", days(7, {30, 1000}, {{0, 1000}}), {"INSUFFICIENT_DATA", "ALARM"}},
                    Days{"usual_days", days(20, {30, 1000}, {{31, 1000}, {28, 990}}), {"OK", "OK"}},
                    Days{"no_orders_and_back", days(20, {30, 1000}, {{0, 1000}, {30, 1000}}), {"OK", "ALARM", "OK"}},
                    Days{"far_too_many", days(20, {30, 1000}, {{90, 1000}}), {"OK", "ALARM"}},
                    Days{"a_small_shop_without_orders", days(20, {1.2, 40}, {{0, 40}}), {"OK", "OK"}},
                    Days{"a_day_without_visitors_says_nothing", days(20, {30, 1000}, {{0, 0}}), {"OK", "OK"}},
                    Days{"a_new_level_is_usual_in_the_end",
                         days(20, {30, 1000}, {{60, 1000}, {61, 1000}, {59, 1000}, {60, 1000}}),
                         {"OK", "ALARM", "ALARM", "OK", "OK"}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace shoplake::watch
