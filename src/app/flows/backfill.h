// `shoplake flow backfill`: a flow once for each day of a range. Each execution gets the input with a member "date",
// and a name of its day (backfill-2026-11-20, the next one of a day backfill-2026-11-20-2), so that the same backfill
// again goes on where it was.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"
#include "flow/store.h"

namespace shoplake::app {

inline constexpr std::int64_t kBackfillDaysMax = 10'000;

struct BackfillDay {
  std::string date;
  flow::ExecutionRow execution;
  bool is_new = true;  // false: it succeeded before
};

struct Backfill {
  std::string flow, file;           // as of StartFlow
  std::string first_day, last_day;  // YYYY-MM-DD
  std::string input = "{}";         // a JSON object
  int at_once = 1;
  bool again = false;  // days that succeeded, too
  std::stop_token stop;
  base::Progress* progress = nullptr;
  std::function<void(const std::string& flow, std::int64_t days)> on_begin;
  std::function<void(const BackfillDay& day)> on_day;  // as each has ended
};

struct BackfillReport {
  std::string flow;
  std::int64_t succeeded = 0, failed = 0, skipped = 0;
  std::int64_t not_run = 0;  // days that were left when it was stopped
};

// Errors before anything runs: flow.bad_range, flow.bad_input (usage), and those of start_flow().
base::Result<BackfillReport> backfill_flow(App& app, const Backfill& request);

}  // namespace shoplake::app
