// Iceberg manifests and manifest lists (table spec v2, "Manifests", "Manifest Lists"): values, and their Avro files.
// Files of format version 1 are read too; what is written is version 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/partition.h"
#include "catalog/table_metadata.h"
#include "transform/data_file.h"

namespace shoplake::catalog {

// One data or delete file as a manifest tells it. Metrics are kept as the maps that the file holds, so that rewriting a
// manifest changes nothing in them.
struct ManifestEntry {
  enum class Status { existing = 0, added = 1, deleted = 2 };
  using Counts = std::vector<std::pair<std::int32_t, std::int64_t>>;  // field id, count
  using Bounds = std::vector<std::pair<std::int32_t, std::string>>;   // field id, single value

  Status status = Status::added;
  std::optional<std::int64_t> snapshot_id;
  std::optional<std::int64_t> sequence_number;  // none: the manifest's (inherited)
  std::optional<std::int64_t> file_sequence_number;
  transform::DataFile::Content content = transform::DataFile::Content::data;
  std::string path;
  std::string format = "PARQUET";
  PartitionTuple partition;
  std::int64_t record_count = 0;
  std::int64_t file_size_bytes = 0;
  std::optional<Counts> column_sizes;
  std::optional<Counts> value_counts;
  std::optional<Counts> null_counts;
  std::optional<Counts> nan_counts;
  std::optional<Bounds> lower_bounds;
  std::optional<Bounds> upper_bounds;
  std::optional<std::string> key_metadata;
  std::optional<std::vector<std::int64_t>> split_offsets;
  std::optional<std::vector<std::int64_t>> equality_ids;
  std::optional<std::int64_t> sort_order_id;
  std::optional<std::string> referenced_data_file;
};

struct PartitionSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
};

// One manifest as the manifest list tells it.
struct ManifestFile {
  std::string path;
  std::int64_t length = 0;
  std::int32_t spec_id = 0;
  bool holds_deletes = false;
  std::int64_t sequence_number = 0;
  std::int64_t min_sequence_number = 0;
  std::int64_t added_snapshot_id = 0;
  std::int64_t added_files = 0;
  std::int64_t existing_files = 0;
  std::int64_t deleted_files = 0;
  std::int64_t added_rows = 0;
  std::int64_t existing_rows = 0;
  std::int64_t deleted_rows = 0;
  std::vector<PartitionSummary> partitions;
  std::optional<std::string> key_metadata;
};

struct ManifestContext {
  const Schema* schema = nullptr;
  const PartitionSpec* spec = nullptr;
  std::vector<PartitionColumn> partition;  // of `spec`
};

ManifestEntry entry_from_data_file(const transform::DataFile& file, PartitionTuple partition);
base::Result<transform::DataFile> data_file_from_entry(const ManifestEntry& entry,
                                                       const std::vector<PartitionColumn>& partition);

// The bytes of a manifest of `entries`, which all have the context's spec and are all data or all deletes.
std::string format_manifest(const ManifestContext& context, bool deletes, const std::vector<ManifestEntry>& entries,
                            std::string sync_marker);

// What the manifest list says about it; path and length are the caller's to fill in.
ManifestFile describe_manifest(const ManifestContext& context, bool deletes, const std::vector<ManifestEntry>& entries,
                               std::int64_t snapshot_id, std::int64_t sequence_number);

enum class EntryDetail {
  paths,  // no metrics: quicker where only identity and counts matter
  all,
};

// The entries with what they inherit from `manifest` filled in (snapshot id, sequence numbers).
base::Result<std::vector<ManifestEntry>> parse_manifest(std::string_view bytes, const ManifestFile& manifest,
                                                        const std::vector<PartitionColumn>& partition,
                                                        EntryDetail detail);

std::string format_manifest_list(const std::vector<ManifestFile>& manifests, std::int64_t snapshot_id,
                                 std::optional<std::int64_t> parent_id, std::int64_t sequence_number,
                                 std::string sync_marker);
base::Result<std::vector<ManifestFile>> parse_manifest_list(std::string_view bytes);

}  // namespace shoplake::catalog
