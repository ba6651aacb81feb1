// What is said of a Parquet file when its row groups are written: its footer, and Iceberg's statistics of its columns.
// Internal to parquet_*.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "transform/buffer.h"
#include "transform/column_range.h"
#include "transform/data_file.h"
#include "transform/layout.h"

namespace shoplake::transform {

// A column of a row group that is in the file. Offsets are in the file.
struct ChunkMetadata {
  std::int64_t dictionary_offset = -1;
  std::int64_t data_offset = 0;
  std::int64_t compressed_bytes = 0;
  std::int64_t uncompressed_bytes = 0;
  std::int64_t value_count = 0;
  std::int64_t null_count = 0;
  bool has_plain = false;
  bool has_dictionary = false;
  ColumnRange range;
};

struct RowGroupMetadata {
  std::int64_t rows = 0;
  std::int64_t offset = 0;
  std::vector<ChunkMetadata> chunks;
};

// Appends the file's metadata, in Thrift's compact protocol: schema with field ids, row groups, statistics.
void append_footer(const Layout& layout, const std::vector<RowGroupMetadata>& row_groups, Buffer<char>& out);

// Of each leaf, over all row groups.
std::vector<ColumnStatistics> column_statistics(const Layout& layout, const std::vector<RowGroupMetadata>& row_groups);

}  // namespace shoplake::transform
