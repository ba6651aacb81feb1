// AlarmKeeper: reads a probe, keeps what alarms look at, and decides at the end of each alarm's period. A change of
// state, its history and its notification are one transaction: none is told twice (the notification's id is the alarm
// and the period), none is forgotten over a crash.
//
// Periods begin at whole multiples of their length since 1970 UTC; a period is looked at when it is over. Time that
// nobody watched (the server was down) is missing data, but not the time before the alarm began, which is when a keeper
// first saw its condition: a new server tells nobody that it was not there before.
//
// ALARM and INSUFFICIENT_DATA are told as the alarm's `notify` says; OK only after one of these that was told, so that
// a fresh home does not begin with a dozen of them. (CloudWatch tells every OK.)
//
// Tables: alarm_states, alarm_history, metric_samples (docs/formats/home.md). Errors: those of io::Database. One thread
// at a time; several processes may evaluate: each period is decided once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/sqlite.h"
#include "watch/alarm.h"
#include "watch/metric_store.h"

namespace shoplake::watch {

// Where readings come from.
class Probe {
 public:
  virtual ~Probe() = default;
  // What is known now of the metrics of these names.
  virtual std::vector<base::Metrics::Sample> read(const std::set<std::string>& names) = 0;
};

class MetricsProbe final : public Probe {
 public:
  explicit MetricsProbe(base::Metrics& metrics) : metrics_(metrics) {}
  std::vector<base::Metrics::Sample> read(const std::set<std::string>& names) override {
    return metrics_.samples(names);
  }

 private:
  base::Metrics& metrics_;
};

struct StateChange {
  std::string alarm;
  std::int64_t at_micros = 0;  // when it was decided
  AlarmState from = AlarmState::insufficient_data;
  AlarmState to = AlarmState::insufficient_data;
  std::string reason;
};

struct AlarmStatus {
  AlarmState state = AlarmState::insufficient_data;
  std::int64_t since_micros = 0;  // 0: never evaluated
  std::string reason;
  std::optional<std::int64_t> evaluated_until_micros;  // end of the last period that was looked at
};

inline constexpr std::int64_t kAlarmHistoryRowsMax = 20'000;

class AlarmKeeper {
 public:
  // `origin` is said in notifications: which home they come from.
  static base::Result<std::unique_ptr<AlarmKeeper>> open(const std::string& control_plane, std::vector<Alarm> alarms,
                                                         std::string origin = {});
  ~AlarmKeeper();

  const std::vector<Alarm>& alarms() const { return alarms_; }

  // How often observe() should be called: each slot of time then has readings.
  std::int64_t reading_interval_seconds() const;

  // Reads the probe and, where a period has ended since the last call, evaluates its alarms. The first call evaluates
  // what is stored before it reads: it begins new alarms, and tells of an outage that ends with this process's start.
  base::Result<std::vector<StateChange>> observe(Probe& probe, std::int64_t now_micros);
  // Observes a last time and stores what was read, before the process ends.
  base::Result<void> finish(Probe& probe, std::int64_t now_micros);
  // Evaluates with what is stored.
  base::Result<std::vector<StateChange>> evaluate(std::int64_t now_micros);

  base::Result<AlarmStatus> status(const std::string& alarm);
  // Newest first; of all alarms if the name is empty.
  base::Result<std::vector<StateChange>> history(const std::string& alarm, std::int64_t rows_max);
  // The last periods of an alarm, the newest first; none where there was no data.
  base::Result<std::vector<std::optional<double>>> datapoints(const Alarm& alarm, std::int64_t end_micros, int periods);

  // Publishes what a change of the alarm to that state would publish, marked as a test; changes no state. Returns the
  // id of the notification.
  base::Result<std::string> publish_test(const Alarm& alarm, AlarmState state, std::int64_t now_micros);

 private:
  AlarmKeeper(std::unique_ptr<io::Database> database, std::vector<Alarm> alarms, std::string origin);
  base::Result<void> write_slot(std::int64_t now_micros);
  base::Result<std::optional<StateChange>> evaluate(const Alarm& alarm, std::int64_t now_micros);
  base::Result<void> publish_change(const Alarm& alarm, const StateChange& change, const std::string& id, bool is_test);

  std::unique_ptr<io::Database> database_;
  std::vector<Alarm> alarms_;
  std::string origin_;
  std::set<std::string> metrics_;
  std::int64_t slot_micros_ = 0;  // length
  std::int64_t kept_micros_ = 0;  // the longest that an alarm looks back
  Differences differences_;
  std::int64_t slot_begin_ = -1;  // of what has been read and is not stored
  std::map<Selection, StatisticSet> slot_;
};

}  // namespace shoplake::watch
