// What DuckDB's COPY … TO … (FORMAT parquet, RETURN_STATS) tells about the files it wrote, in Iceberg's terms.
//
// Not told by DuckDB, and so absent: counts of NaN (only whether there are any), and split offsets.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"
#include "engine/session.h"
#include "transform/data_file.h"

namespace shoplake::catalog {

// Column path ('"s"."a"', each part quoted) to name and text of each statistic: min, max, null_count, num_values,
// column_size_bytes, has_nan.
using DuckdbColumnStatistics = std::map<std::string, std::map<std::string, std::string>>;

// Columns that the schema does not have are left out, as are bounds that are no value of the column's type
// ("infinity"), and bounds below lists and maps, which no reader uses. String bounds are cut to 16 code points. By
// field id, ascending.
std::vector<transform::ColumnStatistics> statistics_from_duckdb(const Schema& schema,
                                                                const DuckdbColumnStatistics& statistics);

// The rows of a COPY with RETURN_STATS as data files. `schema` has the ids that FIELD_IDS gave; partition values come
// from partition_keys, in the order of `partition_by` (identity). Files without rows are returned too: leave them out
// of a commit. Error catalog.unexpected_copy_result (internal) if the answer does not have RETURN_STATS' columns.
base::Result<std::vector<transform::DataFile>> data_files_from_copy(const engine::ResultSet& result,
                                                                    const Schema& schema,
                                                                    const std::vector<std::string>& partition_by);

}  // namespace shoplake::catalog
