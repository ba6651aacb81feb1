// DataFile: what a writer tells the catalog about one finished file, in Iceberg's terms (spec v2, "Manifests",
// data_file struct). A value; the file itself is already durable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shoplake::transform {

struct ColumnStatistics {
  std::int32_t field_id = 0;  // of a leaf column
  std::int64_t column_size_bytes = 0;
  std::int64_t value_count = 0;  // with nulls
  std::int64_t null_count = 0;
  std::optional<std::int64_t> nan_count;
  // Iceberg's single-value binary serialization ("Appendix D"); absent where not known. Strings may be truncated to 16
  // code points: the lower bound cut, the upper bound cut and rounded up.
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
};

// The value of one partition field as text: what Iceberg's partition path would show ("20201210", "2026-11-21", "42"),
// or no value for null.
using PartitionValue = std::optional<std::string>;

struct DataFile {
  enum class Content { data = 0, position_deletes = 1, equality_deletes = 2 };

  Content content = Content::data;
  std::string path;  // absolute path or URI, as it will stand in the manifest
  std::int64_t record_count = 0;
  std::int64_t file_size_bytes = 0;
  std::vector<PartitionValue> partition;  // in the order of the table's partition spec; empty if unpartitioned
  std::vector<ColumnStatistics> columns;
  std::vector<std::int64_t> split_offsets;  // row group starts, ascending
};

}  // namespace shoplake::transform
