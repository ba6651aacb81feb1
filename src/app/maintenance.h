// `shoplake catalog compact|expire|orphans|rollback|retain`: what keeps the lake small and lets a change be taken back.
// Use cases for the command line, and for flows that run them on a schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"
#include "maintain/compaction.h"
#include "maintain/orphans.h"
#include "maintain/retention.h"

namespace shoplake::app {

using base::Result;

// Names as people give them: "marts.x" a table, "marts" all tables of the namespace, none: all tables of the lake.
// Errors catalog.no_such_table, catalog.no_such_namespace, catalog.invalid_name.
Result<std::vector<catalog::TableIdentifier>> chosen_tables(App& app, const std::vector<std::string>& names);

struct CompactOptions {
  std::vector<std::string> names;
  std::int64_t target_file_bytes = 0;  // 0: the table's property, else the default
  std::vector<std::string> sort_by;
  bool all_files = false;
  bool dry_run = false;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};
struct CompactedTable {
  std::string name;
  maintain::CompactionReport report;
  std::optional<base::Error> error;  // the others are done all the same
};
Result<std::vector<CompactedTable>> compact_tables(App& app, const CompactOptions& options);

struct ExpireOptions {
  std::vector<std::string> names;
  // Absent: the table's history.expire.max-snapshot-age-ms and history.expire.min-snapshots-to-keep, else 5 days and 1.
  std::optional<std::int64_t> older_than_micros;
  std::optional<std::int64_t> keep_last;
  bool now = false;  // remove the files at once, whatever readers began before
  bool dry_run = false;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};
struct ExpiredTable {
  std::string name;
  std::int64_t expired = 0;  // snapshots
  std::int64_t kept = 0;
  std::optional<base::Error> error;
};
struct ExpireReport {
  std::vector<ExpiredTable> tables;
  std::int64_t files_removed = 0;  // whose time had come, of this and earlier expiries
};
Result<ExpireReport> expire_tables(App& app, const ExpireOptions& options);

struct OrphansOptions {
  std::int64_t older_than_micros = maintain::kOrphanAgeMicrosDefault;
  bool dry_run = false;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};
Result<maintain::OrphanReport> remove_orphans(App& app, const OrphansOptions& options);

struct RollbackOptions {
  std::string name;
  std::string to;  // a snapshot's id, or a time as `query --at` takes it
  bool force = false;
  bool dry_run = false;
  std::stop_token stop;
};
struct RollbackReport {
  std::int64_t from_snapshot = 0;
  std::int64_t to_snapshot = 0;
  std::int64_t new_snapshot = 0;  // 0: a dry run, or the table is there already
  std::int64_t snapshots_undone = 0;
  // What the undone snapshots took for good: it will not be taken again by itself.
  std::vector<std::string> objects;  // raw objects, by `load`
  std::int64_t live_batches = 0;     // of the log, by live
  std::int64_t other_engines = 0;    // snapshots of other engines
};
// Error catalog.rollback_loses_rows (failed) without `force`, if undone snapshots consumed objects or log records.
Result<RollbackReport> rollback_table(App& app, const RollbackOptions& options);

struct RetainOptions {
  bool dry_run = false;
  std::stop_token stop;
};
// The policy of shoplake.yml.
Result<maintain::RetentionReport> apply_retention(App& app, const RetainOptions& options);

// "90s", "45m", "36h", "7d", "2w": microseconds; 0 is allowed without a unit. Error maintenance.duration (usage).
Result<std::int64_t> parse_duration(const std::string& text);

}  // namespace shoplake::app
