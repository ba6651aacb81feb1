#include "watch/alarm_keeper.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/sqlite.h"
#include "watch/alarm_rehearsal.h"

namespace shoplake::watch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

class AlarmKeeperTest : public AlarmRehearsal {
 protected:
  AlarmKeeperTest() {
    metrics_.describe_gauge("up", "");
    metrics_.describe_counter("errors", "");
    metrics_.describe_histogram("seconds", "", {1});
  }
  using AlarmRehearsal::minute;
  std::string minute(double up) {
    return minute([&] { metrics_.set("up", {}, up); });
  }
};

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
  EXPECT_EQ(minute([] {}), "OK>ALARM ");
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
