#include "catalog/merged_statistics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using transform::ColumnStatistics;

// Of the files that have values. None: of one of them it is not known.
std::optional<std::string> merged_bound(const std::string& type, const std::vector<const ColumnStatistics*>& columns,
                                        std::optional<std::string> ColumnStatistics::*bound, bool is_lower) {
  std::optional<std::string> merged;
  for (const ColumnStatistics* column : columns) {
    if (column->value_count > 0 && column->null_count == column->value_count)
      continue;
    const std::optional<std::string>& one = column->*bound;
    if (!one || !is_single_value(type, *one))
      return std::nullopt;
    const int order = merged ? compare_single_values(type, *one, *merged) : 0;
    if (!merged || (is_lower ? order < 0 : order > 0))
      merged = one;
  }
  return merged;
}

}  // namespace

std::vector<ColumnStatistics> merged_statistics(const Schema& schema, std::span<const transform::DataFile> files) {
  std::map<std::int32_t, std::vector<const ColumnStatistics*>> by_field;
  for (const transform::DataFile& file : files) {
    for (const ColumnStatistics& column : file.columns)
      by_field[column.field_id].push_back(&column);
  }
  std::vector<ColumnStatistics> merged;
  for (const auto& [field_id, columns] : by_field) {
    const Field* field = schema.find_id(field_id);
    if (columns.size() != files.size() || field == nullptr)
      continue;
    ColumnStatistics all;
    all.field_id = field_id;
    all.nan_count = 0;
    for (const ColumnStatistics* column : columns) {
      all.column_size_bytes += column->column_size_bytes;
      all.value_count += column->value_count;
      all.null_count += column->null_count;
      if (all.nan_count && column->nan_count)
        *all.nan_count += *column->nan_count;
      else
        all.nan_count.reset();
    }
    all.lower_bound = merged_bound(field->type.name, columns, &ColumnStatistics::lower_bound, true);
    all.upper_bound = merged_bound(field->type.name, columns, &ColumnStatistics::upper_bound, false);
    merged.push_back(std::move(all));
  }
  return merged;
}

}  // namespace shoplake::catalog
