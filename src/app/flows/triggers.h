// What starts flows by itself: triggers.yml beside the flows (<home>/flows/triggers.yml, else the one that comes with
// shoplake, in which nothing is enabled).
//
//   flows:
//     shop_batch: {executions_at_once: 1}
//   triggers:
//     shop_files:
//       flow: shop_batch
//       object_created: {prefixes: [raw/transactions/, raw/products/], suffixes: [.csv, .csv.gz], quiet: 30s, at_most:
//       15m}
//     ga4_nightly:
//       flow: ga4_daily
//       schedule: cron(0 6 * * ? *)
//       time_zone: Europe/Berlin
//       missed: last                 # all, none
//       input: {source: api}
//     on_request:
//       flow: attribution_refresh
//       http: {token: "${SHOPLAKE_FLOW_TOKEN}"}
//
// Each trigger has one of object_created, schedule and http, and may say `enabled: false`. docs/flows.md describes
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/flows/schedule.h"
#include "base/result.h"
#include "collect/ga4_time_zone.h"

namespace shoplake::app {

// Objects below the lake's root whose name begins and ends so; no suffixes: any end.
struct ObjectCreated {
  std::vector<std::string> prefixes, suffixes;
  std::int64_t quiet_micros = 10'000'000;     // without another object, before the flow starts
  std::int64_t at_most_micros = 600'000'000;  // after the first object it starts all the same
};

struct ScheduledStart {
  enum class Missed {
    none,  // times at which nobody ran flows are over
    last,  // the latest one is caught up
    all,   // each, oldest first, at most kMissedMax
  };
  std::string expression;
  Schedule schedule;
  std::string time_zone = "UTC";
  collect::TimeZone zone;
  Missed missed = Missed::last;
};

struct Trigger {
  std::string name;
  std::string flow;
  bool is_enabled = true;
  std::string input = "{}";  // a JSON object; members of the occasion are added
  std::optional<ObjectCreated> object_created;
  std::optional<ScheduledStart> schedule;
  std::optional<std::string> http_token;
};

struct TriggerSettings {
  std::string path;
  std::map<std::string, int> executions_at_once;  // by flow
  std::vector<Trigger> triggers;                  // by name
};

inline constexpr std::int64_t kMissedMax = 100;

// Without a file: nothing. Errors home.configuration (usage) with file and line, flow.no_such_flow, and those of Env.
base::Result<TriggerSettings> read_triggers(App& app);
// The same of a text.
base::Result<TriggerSettings> parse_triggers(io::Env& env, const std::string& yaml, const std::string& path);

}  // namespace shoplake::app
