// Statistics of a file that has the rows of others.
#pragma once

#include <span>
#include <vector>

#include "catalog/table_metadata.h"
#include "transform/data_file.h"

namespace shoplake::catalog {

// By field id, ascending. Only what is known of all files is known of their rows: a column that one has no statistics
// of has none; it has no bound where a file with values has none, or one that is no value of the schema's type.
std::vector<transform::ColumnStatistics> merged_statistics(const Schema& schema,
                                                           std::span<const transform::DataFile> files);

}  // namespace shoplake::catalog
