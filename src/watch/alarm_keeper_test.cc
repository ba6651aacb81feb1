#include "watch/alarm_keeper.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/env.h"
#include "io/temporary_directory.h"
#include "watch/outbox.h"

namespace shoplake::watch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kMinute = 60'000'000;
constexpr std::int64_t kBegin = 1'800'000'000'000'000 / (60 * kMinute) * (60 * kMinute);

Alarm make_alarm() {
  Alarm alarm;
  alarm.name = "down";
  alarm.description = "Nothing is counted.";
  alarm.metric = "up";
  alarm.statistic = Statistic::minimum;
  alarm.evaluation_periods = 3;
  alarm.datapoints_to_alarm = 2;
  alarm.comparison = Comparison::less;
  alarm.threshold = 1;
  alarm.topic = kPipelineNotifications;
  return alarm;
}

class AlarmKeeperTest : public testing::Test {
 protected:
  AlarmKeeperTest() {
    metrics_.describe_gauge("up", "");
    metrics_.describe_counter("errors", "");
    metrics_.describe_histogram("seconds", "", {1});
  }
  void open(std::vector<Alarm> alarms) { keeper_ = AlarmKeeper::open(path(), std::move(alarms), "shop").value(); }
  std::string path() const { return directory_.file("state.sqlite"); }

  // One minute of readings, then the first of the next minute; what has changed, as "OK>ALARM".
  std::string minute(const std::function<void()>& before_each_reading = {}) {
    std::string changes;
    for (int reading = 0; reading < 6; ++reading, now_ += kMinute / 6) {
      if (before_each_reading)
        before_each_reading();
      const auto changed = keeper_->observe(probe_, now_);
      EXPECT_TRUE(changed.ok());
      for (const StateChange& change : *changed)
        changes += fmt::format("{}>{} ", name(change.from), name(change.to));
    }
    return changes;
  }
  std::string minute(double up) {
    return minute([&] { metrics_.set("up", {}, up); });
  }
  std::vector<PublishedNotification> notifications() { return Outbox::open(path()).value()->history("", 100).value(); }

  io::TemporaryDirectory directory_{io::TemporaryDirectory::fast_parent()};
  base::Metrics metrics_;
  MetricsProbe probe_{metrics_};
  std::unique_ptr<AlarmKeeper> keeper_;
  std::int64_t now_ = kBegin;
};

// What happens minute by minute: 1 up, 0 down, - nobody read. And what is seen at the begin of the next minute.
struct Story {
  const char* name;
  MissingData missing;
  const char* minutes;
  std::vector<std::string> changes;  // "4 OK>ALARM": decided when the fourth minute was over
};

class AlarmStory : public AlarmKeeperTest, public testing::WithParamInterface<Story> {};

TEST_P(AlarmStory, GoesThroughItsStates) {
  Alarm alarm = make_alarm();
  alarm.missing_data = GetParam().missing;
  open({alarm});
  ASSERT_TRUE(keeper_->evaluate(now_).ok());  // takes note of the alarm
  std::vector<std::string> changes;
  AlarmState state = AlarmState::insufficient_data;
  int number = 0;
  for (const char* minute = GetParam().minutes; *minute != '\0'; ++minute) {
    ++number;
    if (*minute == '-') {
      now_ += kMinute;
    } else {
      AlarmKeeperTest::minute(*minute == '1' ? 1.0 : 0.0);
    }
    // The end of the minute, by a keeper of its own: what counts is what is stored.
    if (*minute != '-') {
      ASSERT_TRUE(keeper_->observe(probe_, now_).ok());
    }
    open({alarm});
    ASSERT_TRUE(keeper_->evaluate(now_).ok());
    const AlarmStatus status = keeper_->status("down").value();
    if (status.state != state)
      changes.push_back(fmt::format("{} {}>{}", number, name(state), name(status.state)));
    state = status.state;
  }
  EXPECT_EQ(changes, GetParam().changes);
}

INSTANTIATE_TEST_SUITE_P(
    All, AlarmStory,
    testing::Values(
        Story{"up", MissingData::missing, "1111", {"1 INSUFFICIENT_DATA>OK"}},
        Story{"one_slip_is_none", MissingData::missing, "110111", {"1 INSUFFICIENT_DATA>OK"}},
        Story{"down_and_up", MissingData::missing, "1100111", {"1 INSUFFICIENT_DATA>OK", "4 OK>ALARM", "6 ALARM>OK"}},
        Story{"down_from_the_first", MissingData::missing, "00", {"1 INSUFFICIENT_DATA>OK", "2 OK>ALARM"}},
        Story{"nobody_reads", MissingData::missing, "11-----", {"1 INSUFFICIENT_DATA>OK", "7 OK>INSUFFICIENT_DATA"}},
        Story{"back_from_insufficient",
              MissingData::missing,
              "1-----0-",
              {"1 INSUFFICIENT_DATA>OK", "6 OK>INSUFFICIENT_DATA", "7 INSUFFICIENT_DATA>OK", "8 OK>ALARM"}},
        Story{"missing_is_breaching",
              MissingData::breaching,
              "111-----11",
              {"1 INSUFFICIENT_DATA>ALARM", "2 ALARM>OK", "7 OK>ALARM", "10 ALARM>OK"}},
        Story{"missing_is_fine",
              MissingData::not_breaching,
              "1100------",
              {"1 INSUFFICIENT_DATA>OK", "4 OK>ALARM", "8 ALARM>OK"}},
        Story{"missing_is_ignored",
              MissingData::ignore,
              "1100------11",
              {"1 INSUFFICIENT_DATA>OK", "4 OK>ALARM", "11 ALARM>OK"}},
        Story{"insufficient_to_alarm", MissingData::missing, "------00", {"7 INSUFFICIENT_DATA>OK", "8 OK>ALARM"}},
        Story{"alarm_to_insufficient",
              MissingData::missing,
              "100------",
              {"1 INSUFFICIENT_DATA>OK", "3 OK>ALARM", "8 ALARM>INSUFFICIENT_DATA"}}),
    [](const auto& info) { return info.param.name; });

TEST_F(AlarmKeeperTest, AChangeIsToldOnceAndOkAfterAnAlarm) {
  open({make_alarm()});
  minute(1);
  minute(1);
  minute(1);
  EXPECT_THAT(notifications(), IsEmpty()) << "OK at the begin is no news";
  minute(0);
  minute(0);
  EXPECT_EQ(minute(0), "OK>ALARM ");
  ASSERT_EQ(notifications().size(), 1u);
  const Notification told = notifications()[0].notification;
  EXPECT_EQ(told.topic, kPipelineNotifications);
  EXPECT_EQ(told.subject, "ALARM: down");
  EXPECT_THAT(told.message, HasSubstr("Nothing is counted."));
  EXPECT_THAT(told.message, HasSubstr("2 of 3 datapoints < 1, 2 are needed: 0, 0, 1"));
  EXPECT_THAT(told.message, HasSubstr("Home: shop"));
  EXPECT_EQ(told.attributes.at("state"), "ALARM");
  minute(1);
  EXPECT_EQ(minute(1), "");
  EXPECT_EQ(minute(1), "ALARM>OK ");
  ASSERT_EQ(notifications().size(), 2u);
  EXPECT_EQ(notifications()[0].notification.subject, "OK: down");
  EXPECT_EQ(keeper_->history("down", 10).value().size(), 3u);
}

TEST_F(AlarmKeeperTest, TwoProcessesDecideAPeriodOnce) {
  open({make_alarm()});
  auto other = AlarmKeeper::open(path(), {make_alarm()}).value();
  minute(1);
  minute(0);
  minute(0);
  EXPECT_EQ(minute(0), "OK>ALARM ");
  EXPECT_THAT(other->evaluate(now_ - kMinute / 2).value(), IsEmpty());
  EXPECT_EQ(notifications().size(), 1u);
}

TEST_F(AlarmKeeperTest, AChangedConditionBeginsAnew) {
  open({make_alarm()});
  minute(1);
  minute(1);
  minute(1);
  ASSERT_EQ(keeper_->status("down").value().state, AlarmState::ok);
  Alarm changed = make_alarm();
  changed.threshold = 2;
  open({changed});
  EXPECT_EQ(keeper_->status("down").value().state, AlarmState::insufficient_data);
  changed = make_alarm();
  changed.description = "Another text.";
  open({changed});
  EXPECT_EQ(keeper_->status("down").value().state, AlarmState::ok) << "what is not watched does not count";
}

TEST_F(AlarmKeeperTest, ACounterIsHowMuchItGrew) {
  Alarm alarm = make_alarm();
  alarm.metric = "errors";
  alarm.statistic = Statistic::sum;
  alarm.comparison = Comparison::greater;
  alarm.threshold = 11;
  alarm.evaluation_periods = alarm.datapoints_to_alarm = 1;
  open({alarm});
  minute([&] { metrics_.add("errors", {{"kind", "a"}}, 1); });
  minute([&] {
    metrics_.add("errors", {{"kind", "a"}}, 1);
    metrics_.add("errors", {{"kind", "b"}}, 1);
  });
  EXPECT_EQ(minute([] {}), "INSUFFICIENT_DATA>ALARM ");
  EXPECT_THAT(keeper_->datapoints(alarm, kBegin + 2 * kMinute, 2).value(), ElementsAre(12.0, 6.0));
}

TEST_F(AlarmKeeperTest, DimensionsChooseSeriesAndAHistogramHasAMean) {
  Alarm alarm = make_alarm();
  alarm.metric = "seconds";
  alarm.dimensions = {{"part", "a"}};
  alarm.statistic = Statistic::average;
  open({alarm});
  minute([&] {
    metrics_.observe("seconds", {{"part", "a"}, {"x", "1"}}, 1);
    metrics_.observe("seconds", {{"part", "a"}, {"x", "2"}}, 3);
    metrics_.observe("seconds", {{"part", "b"}, {"x", "1"}}, 100);
  });
  minute([] {});
  Alarm count = alarm;
  count.statistic = Statistic::sample_count;
  EXPECT_THAT(keeper_->datapoints(alarm, kBegin + kMinute, 1).value(), ElementsAre(2.0));
  EXPECT_THAT(keeper_->datapoints(count, kBegin + kMinute, 1).value(), ElementsAre(12.0));
}

TEST_F(AlarmKeeperTest, LongPeriodsAreEvaluatedWhenTheyEnd) {
  Alarm alarm = make_alarm();
  alarm.period_seconds = 300;
  alarm.evaluation_periods = alarm.datapoints_to_alarm = 1;
  open({alarm});
  std::string changes;
  for (int i = 0; i < 11; ++i)
    changes += fmt::format("{}:{}", i, minute(i == 7 ? 0.0 : 1.0));
  EXPECT_EQ(changes, "0:1:2:3:4:5:INSUFFICIENT_DATA>OK 6:7:8:9:10:OK>ALARM ");
}

TEST_F(AlarmKeeperTest, WhatNoAlarmLooksAtIsForgotten) {
  open({make_alarm()});
  for (int i = 0; i < 60; ++i)
    minute(1);
  auto database = io::Database::open(path()).value();
  auto count = database->prepare("select count(*) from metric_samples").value();
  ASSERT_TRUE(count.step().ok());
  EXPECT_LE(count.integer(0), 7);
  EXPECT_GE(count.integer(0), 5);
}

TEST_F(AlarmKeeperTest, ATestIsToldAndChangesNothing) {
  open({make_alarm()});
  const auto id = keeper_->publish_test(keeper_->alarms()[0], AlarmState::alarm, now_);
  ASSERT_TRUE(id.ok());
  ASSERT_EQ(notifications().size(), 1u);
  EXPECT_EQ(notifications()[0].notification.id, *id);
  EXPECT_EQ(notifications()[0].notification.subject, "Test of ALARM: down");
  EXPECT_EQ(keeper_->status("down").value().state, AlarmState::insufficient_data);
}

}  // namespace
}  // namespace shoplake::watch
