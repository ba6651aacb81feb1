// What the lake itself says about its health, as gauges for /metrics and alarms: how old the newest event is, which
// quality rules hold, how usual yesterday's conversion rate is. Read again only when the tables behind it have changed.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/env.h"
#include "serve/event_tables.h"

namespace shoplake::app {

class LakeGauges {
 public:
  // All outlive it.
  LakeGauges(io::Env& env, serve::Lake& lake, base::Metrics& metrics);

  // The tables that it reads, beside the dashboard's.
  static std::vector<std::string> tables();

  // Sets the gauges. What a table that is not there would say stays unset.
  base::Result<void> refresh();

 private:
  base::Result<void> read_newest_event(const serve::EventTable& table);
  base::Result<void> read_quality();
  base::Result<void> read_conversion_rate();
  // Whether one of the tables has changed since the last time that `what` was read; no if one is not there.
  base::Result<bool> has_changed(const std::string& what, const std::vector<std::string>& tables);

  io::Env& env_;
  serve::Lake& lake_;
  base::Metrics& metrics_;
  std::map<std::string, std::string> read_;  // what was read of which state of the tables
  std::map<std::string, std::int64_t> newest_event_micros_;
};

}  // namespace shoplake::app
