// Partition transforms and the values they give, as typed single values (single_value.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"
#include "transform/data_file.h"

namespace shoplake::catalog {

// One column of a spec's partition struct.
struct PartitionColumn {
  std::int32_t field_id = 0;
  std::string name;
  std::string transform;
  std::string type;  // of the partition value
};

// Values in the order of a spec; single values, none for null.
using PartitionTuple = std::vector<std::optional<std::string>>;

// The type that a transform gives for a source type: identity, truncate[W], void: the source's; year, month, hour,
// bucket[N]: int; day: date.
std::string transform_result_type(const std::string& transform, const std::string& source_type);

// Whether a table may be partitioned so; the error names the transform. Error catalog.invalid_partition_spec (input).
base::Result<void> check_transform(const std::string& transform, const Type& source);

// The partition struct of a spec. Source columns that are gone from the current schema are looked up in older ones.
std::vector<PartitionColumn> partition_columns(const TableMetadata& metadata, const PartitionSpec& spec);

// From and to the text of a partition path ("20201210", year "2026", month "2026-11", day "2026-11-21", hour
// "2026-11-21-13").
base::Result<PartitionTuple> partition_from_text(const std::vector<PartitionColumn>& columns,
                                                 const std::vector<transform::PartitionValue>& values);
base::Result<std::vector<transform::PartitionValue>> partition_to_text(const std::vector<PartitionColumn>& columns,
                                                                       const PartitionTuple& tuple);

}  // namespace shoplake::catalog
