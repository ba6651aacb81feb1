// Alarms minute by minute for tests: a clock, metrics and a control plane of the test's own.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "io/temporary_directory.h"
#include "watch/alarm_keeper.h"
#include "watch/outbox.h"

namespace shoplake::watch {

class AlarmRehearsal : public testing::Test {
 protected:
  static constexpr std::int64_t kMinute = 60'000'000;
  static constexpr std::int64_t kBegin = 1'800'000'000'000'000 / (1440 * kMinute) * (1440 * kMinute);  // a midnight

  void open(std::vector<Alarm> alarms) { keeper_ = AlarmKeeper::open(path(), std::move(alarms), "shop").value(); }
  std::string path() const { return directory_.file("state.sqlite"); }

  // A minute's readings, six of them; what was decided meanwhile, as "OK>ALARM ". The minute's own end is decided by
  // the first reading of the next one.
  std::string minute(const std::function<void()>& before_each_reading = {}) {
    std::string changes;
    for (int reading = 0; reading < 6; ++reading, now_ += kMinute / 6) {
      if (before_each_reading)
        before_each_reading();
      changes += changes_text(keeper_->observe(probe_, now_));
    }
    return changes;
  }

  static std::string changes_text(const base::Result<std::vector<StateChange>>& changes) {
    EXPECT_TRUE(changes.ok());
    std::string text;
    for (const StateChange& change : changes.ok() ? *changes : std::vector<StateChange>())
      text += fmt::format("{}>{} ", name(change.from), name(change.to));
    return text;
  }

  // The oldest first.
  std::vector<std::string> told() {
    std::vector<std::string> subjects;
    for (const PublishedNotification& each : notifications())
      subjects.insert(subjects.begin(), each.notification.subject);
    return subjects;
  }
  // The newest first.
  std::vector<PublishedNotification> notifications() { return Outbox::open(path()).value()->history("", 1000).value(); }

  io::TemporaryDirectory directory_{io::TemporaryDirectory::fast_parent()};
  base::Metrics metrics_;
  MetricsProbe probe_{metrics_};
  std::unique_ptr<AlarmKeeper> keeper_;
  std::int64_t now_ = kBegin;
};

}  // namespace shoplake::watch
