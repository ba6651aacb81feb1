// shoplake's synthetic data: a shop with returning visitors, several channels and all the troubles of real data (plan.h
// says who comes when, journey.h what they do, event_writer.h and clickstream_writer.h how it is spelled, chaos.h what
// is broken on purpose).
//
// Deterministic: seed, number of events, days and end date decide every byte of JSON, on every machine and with any
// number of threads. Lines stand in chunks of about 3,000, sorted by time within a chunk; a .gz file has one gzip
// member for each chunk (RFC 1952 allows several; zcat, DuckDB, Polars, Spark and ClickHouse read them).
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "generate/chaos.h"
#include "generate/dataset.h"
#include "io/env.h"

namespace shoplake::generate {

struct EventsOptions {
  Dataset dataset = Dataset::events;
  std::uint64_t events = 100'000;  // lines, duplicates included, chaos not
  int days = 14;
  std::uint64_t seed = 42;
  std::string end_date = "2026-06-30";  // the last generated day, in the property's time zone; of clickstream in UTC
  bool chaos = false;
  int threads = 0;  // 0: one for each processor
  // A name ending in .ndjson or .json, also .gz, is one file; anything else is a folder for one
  // <dataset>_YYYYMMDD.ndjson.gz a day.
  std::string out;
};

struct EventsSummary {
  std::vector<std::string> files;
  std::string manifest;  // of --chaos; else empty
  std::uint64_t events = 0;
  std::uint64_t users = 0;
  std::uint64_t sessions = 0;
  std::uint64_t purchases = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t late_sessions = 0;
  std::uint64_t json_bytes = 0;
  std::uint64_t file_bytes = 0;
  Planted planted;
};

inline constexpr std::uint64_t kEventsMax = 10'000'000'000;
inline constexpr int kDaysMax = 3650;

// Writes through temporary names, so that a file that stands at its name is whole. Stopped: error generate.cancelled,
// and only whole days of a folder are left.
base::Result<EventsSummary> generate_events(io::Env& env, const EventsOptions& options, base::Progress& progress,
                                            std::stop_token stop);

}  // namespace shoplake::generate
