// What each ingestion from the Data API came to, in the control plane (table ga4_ingest_run): with the quota as the API
// had it last, and what weakens the figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "ga4api/report.h"
#include "io/sqlite.h"

namespace shoplake::ga4api {

struct Run {
  std::string id;
  std::string property;
  std::string first_day;
  std::string last_day;
  std::int64_t began_at_micros = 0;
  std::int64_t ended_at_micros = 0;
  std::int64_t days = 0;  // that are complete: loaded, unchanged or empty
  std::int64_t rows = 0;
  std::int64_t requests = 0;
  std::int64_t retries = 0;
  ReportFlags flags;
  std::string quota_json;
  std::string error_code;  // empty: all days are complete
  std::string message;
};

inline constexpr int kRunsKept = 1'000;

// Creates the table if absent, adds the run, and forgets the oldest beyond kRunsKept.
Result<void> record_run(io::Database& database, const Run& run);

// The newest first.
Result<std::vector<Run>> list_runs(io::Database& database, int count_max);

}  // namespace shoplake::ga4api
