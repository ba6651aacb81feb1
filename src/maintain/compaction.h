// Compaction: a table's small files become files of a target size, sorted, without the rows that delete files hide.
//
// Files are chosen by partition; what is read is exactly what a reader of the table reads (catalog::write_slice()), so
// renamed columns, other engines' deletes and Parquet that was only registered come out right. Rows pass through the
// engine, which spills: memory is bounded by its limit, a group by kGroupBytesMax. A group is one commit
// (Operation::rewrite): appends and deletes of others stay; if they deleted rows of files of the group, or compacted
// them themselves, the group is planned anew, and after kOptimisticAttempts of that it is done under the exclusion that
// the caller gives. Readers keep the snapshot that they began with; the files that were replaced stay until expiry.
//
// Killed anywhere it leaves files that nothing names, and a folder in the temporary directory; both are orphans.
//
// Live compacts what it writes while it runs, by tiers (live/compaction.h); this is for everything else and for
// sorting. Source: https://iceberg.apache.org/docs/latest/maintenance/#compact-data-files
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"

namespace shoplake::maintain {

using base::Result;

inline constexpr std::int64_t kTargetFileBytesDefault = std::int64_t{128} << 20;  // write.target-file-size-bytes
inline constexpr std::int64_t kGroupBytesMax = std::int64_t{2} << 30;
inline constexpr std::size_t kGroupFilesMax = 2'000;
inline constexpr std::size_t kGroupPartitionsMax = 64;
inline constexpr int kOptimisticAttempts = 3;

struct CompactionOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  engine::Database* database = nullptr;
  std::string temporary_directory;
  std::int64_t target_file_bytes = 0;  // 0: the table's property, else the default
  std::vector<std::string> sort_by;    // columns; empty: sort_columns()
  bool all_files = false;              // those that need nothing too, as after a change of the order
  bool dry_run = false;
  // Keeps live and builds from the tables while the answer lives; null: nothing to keep away.
  std::function<Result<std::shared_ptr<void>>(std::stop_token)> exclude;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

struct CompactionReport {
  std::int64_t commits = 0;  // of a dry run: groups that there would be
  std::int64_t partitions = 0;
  std::int64_t files_removed = 0;
  std::int64_t files_added = 0;  // 0 in a dry run
  std::int64_t delete_files_removed = 0;
  std::int64_t rows = 0;          // that were written again; of a dry run: that would be read
  std::int64_t rows_dropped = 0;  // hidden by deletes
  std::int64_t bytes_removed = 0;
  std::int64_t bytes_added = 0;
  std::int64_t retries = 0;  // groups planned anew, and commits tried again, because others committed first
  std::int64_t files_of_other_specs = 0;  // left as they are: their partitioning is not the table's any more
  std::vector<std::string> sorted_by;
};

// By what a table's rows are sorted: its Iceberg sort order; else its partition columns, then event_timestamp or the
// first column with a time, then the columns that name a row (identifier fields, _shoplake_event_id).
std::vector<std::string> sort_columns(const catalog::TableMetadata& metadata);

// Errors: maintain.no_such_column (usage); maintain.unsupported_table (failed): data files that are no Parquet, format
// version 3; maintain.changed_too_often (conflict); maintain.row_count (internal): what was written is not what was
// read, and nothing was committed; those of catalog and engine. What earlier groups committed stays.
Result<CompactionReport> compact_table(const CompactionOptions& options, const catalog::TableIdentifier& table);

}  // namespace shoplake::maintain
