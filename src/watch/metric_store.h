// What alarms look at, kept in the control plane so that it survives a restart: for each selection (a metric, some of
// its labels) one row a slot of time with count, sum, least and greatest of what was read. Bounded: rows go once no
// alarm can look so far back.
//
// A gauge gives its value at each reading; a counter how much it grew since the reading before (since the start of the
// process at the first); a histogram the count and sum of what was observed since.
//
// Table: metric_samples (docs/formats/home.md). One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/sqlite.h"
#include "watch/alarm.h"

namespace shoplake::watch {

// Which series an alarm is about.
struct Selection {
  std::string metric;
  Dimensions dimensions;

  auto operator<=>(const Selection&) const = default;
  bool takes(const base::Metrics::Sample& sample) const;
  std::string text() const;  // "shoplake_pipeline_up{stage=\"live\"}"
};
Selection selection_of(const Alarm& alarm);

struct StatisticSet {
  double count = 0;
  double sum = 0;
  double minimum = 0;
  double maximum = 0;

  void add(const StatisticSet& other);
  double value(Statistic statistic) const;
};

// Turns readings into what happened since the one before. Values; no I/O.
class Differences {
 public:
  // Nothing for a histogram in which nothing was observed.
  std::optional<StatisticSet> of(const base::Metrics::Sample& sample);

 private:
  struct Before {
    double value = 0;
    std::uint64_t count = 0;
  };
  std::map<std::string, Before> before_;  // by name and labels
};

class MetricStore {
 public:
  // Creates the table if absent.
  static base::Result<void> prepare(io::Database& control_plane);

  // Adds to what the slot that begins at `slot_micros` has.
  static base::Result<void> add(io::Database& control_plane, const Selection& selection, std::int64_t slot_micros,
                                const StatisticSet& set);
  // The slots from `begin` to before `end`, as one; none if there was nothing.
  static base::Result<std::optional<StatisticSet>> read(io::Database& control_plane, const Selection& selection,
                                                        std::int64_t begin_micros, std::int64_t end_micros);
  static base::Result<void> forget_before(io::Database& control_plane, std::int64_t micros);
};

}  // namespace shoplake::watch
