// PartitionFiles: the data files that one load writes for one table, a Parquet file (or more) a partition. A thread of
// its own encodes the sets as they come; the last sets and the footers are written by several threads, a partition by
// one. All are synced together at the end: a disk takes many syncs at once.
//
// submit() and finish() belong to one thread. Memory: at most kQueuedSetsMax sets wait, and the pages of open row
// groups are bounded by kHeldPagesBytes. Files are durable when finish() returns; on an error, or without finish(),
// they are removed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "io/env.h"
#include "transform/column_set.h"
#include "transform/data_file.h"
#include "transform/parquet_writer.h"

namespace shoplake::transform {

inline constexpr std::size_t kQueuedSetsMax = 2;
inline constexpr std::size_t kHeldPagesBytes = 160ULL << 20;
// A file ends with so many row groups and the partition goes on in the next one: what a footer needs stays in memory
// until its file ends, about 60 KiB a row group of 300 columns.
inline constexpr std::size_t kFileRowGroupsMax = 16;
inline constexpr std::size_t kOpenFilesMax = 128;

struct PartitionFilesOptions {
  io::Env* env = nullptr;
  const Layout* layout = nullptr;
  const std::vector<std::unique_ptr<Dictionary>>* dictionaries = nullptr;
  Constants constants;
  std::string directory;  // of the table's data: "<table>/data"
  std::string file_stem;  // unique for the load: a UUID
  // Of the table: folders event_date=20201210, or year=2026/month=1.
  contract::Partitioning partitioning;
};

class PartitionFiles {
 public:
  explicit PartitionFiles(PartitionFilesOptions options);
  ~PartitionFiles();

  // `partition` counts in order of first appearance; `name` is its value.
  Result<void> submit(std::size_t partition, const std::string& name, std::unique_ptr<ColumnSet> set);
  // The same for the last set of a partition: it is encoded by finish(), beside the other partitions' last sets.
  Result<void> submit_last(std::size_t partition, const std::string& name, std::unique_ptr<ColumnSet> set);
  // An empty set to fill: if `reuse`, one that was used before where one is at hand; else a new one, and the memory of
  // used ones is given back.
  std::unique_ptr<ColumnSet> acquire(bool reuse);
  // Writes what is left, in order of partition.
  Result<std::vector<DataFile>> finish();
  // CPU seconds that encoding, compressing and writing took.
  double busy_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
