// Compactor: keeps the number of files, manifests and snapshots of the tables that live writes to bounded while events
// come in.
//
// Files are merged by tiers: a tier holds files of up to eight times the rows of the tier before; when eight files of
// one tier (and partition) have gathered they become one of the next. So a row is rewritten about log8(rows) times, and
// at most seven files of a tier are left. Rows that were deleted do not come along. Tables whose rows are hot are
// merged on live's thread, since the hot rows move with them, and only up to kHotMergeRowsMax rows (half a second; the
// rest is for `shoplake catalog compact`); the others are merged by a thread of the compactor and only committed by
// live's. Where the files' row groups are large enough they are joined without decoding (transform/
// parquet_concatenation.h), so that a row is decoded once or never.
//
// Snapshots that live wrote are forgotten but for the newest few; the files that only they used stay for
// LiveOptions::retired_files_micros, because readers that began before may still need them; a thread removes them then.
//
// run() belongs to live's thread, between two batches.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "live/live.h"
#include "live/status_board.h"
#include "live/writer.h"

namespace shoplake::live {

using base::Result;

inline constexpr std::size_t kTierFiles = 8;
inline constexpr std::int64_t kFirstTierRows = 4096;
inline constexpr std::int64_t kHotMergeRowsMax = 16'384;
inline constexpr std::int64_t kMergeRowsMax = 1'048'576;

// One file that may be merged.
struct MergeCandidate {
  std::size_t index = 0;  // the caller's
  std::int64_t rows = 0;  // that are not deleted
  std::int64_t deleted_rows = 0;
  std::vector<transform::PartitionValue> partition;
};
// Which of them to merge next: indexes of one partition; empty if nothing is due. `rows_max` bounds the merged file.
std::vector<std::size_t> choose_merge(const std::vector<MergeCandidate>& files, std::int64_t rows_max);

class Compactor {
 public:
  Compactor(const LiveOptions& options, StatusBoard& board, Writer& writer);
  ~Compactor();

  // Notes the commits of a batch: what they made due is done by run().
  void committed(const std::vector<catalog::CommittedTable>& tables);
  // Does a part of what is due, by turns: after a tenth of a second nothing more is begun. Errors leave the tables as
  // they were; the writer must be loaded again.
  Result<void> run(std::stop_token stop);
  // Everything that is due, waiting for it.
  Result<void> run_all(std::stop_token stop);
  // What was begun for tables of the writer as it was.
  void forget();

 private:
  struct Job;
  struct Counter {
    int since_merge = 0;
    int since_expiry = 0;
    std::int64_t not_before_micros = 0;  // after a failure
  };

  // Each does one thing that is due; false: nothing was.
  Result<bool> trim_hot();
  Result<bool> merge_hot();
  Result<bool> begin_merge();
  Result<bool> finish_merge();  // that its thread has written
  Result<bool> expire();
  Result<bool> remove_retired();
  void put_off(const catalog::TableIdentifier& table, const base::Error& error);
  Result<std::unique_ptr<Job>> plan_merge(const catalog::TableIdentifier& table);
  void work(Job& job);
  Result<std::optional<transform::DataFile>> join_files(const Job& job);
  Result<transform::DataFile> decode_files(Job& job);
  bool is_hot(const catalog::TableIdentifier& table) const;

  const LiveOptions& options_;
  StatusBoard& board_;
  Writer& writer_;
  std::map<catalog::TableIdentifier, Counter> counters_;
  std::size_t next_task_ = 0;
  std::size_t next_hot_ = 0;
  std::unique_ptr<Job> job_;
  std::int64_t removed_at_micros_ = 0;
  std::atomic<bool> is_removing_ = false;
  int batches_since_trim_ = 0;
  std::jthread remover_;  // last: it ends before what it uses
};

}  // namespace shoplake::live
