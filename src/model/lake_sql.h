// Pieces of SQL and of names that the parts of Lake share.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "model/statement_names.h"
#include "transform/data_file.h"

namespace shoplake::model {

// Most files of a table that one statement names; beyond it, iceberg_scan() reads the table.
inline constexpr std::size_t kDirectFilesMax = 2000;

std::string lower(std::string_view text);
RelationName folded(const RelationName& name);  // DuckDB's names know no case
catalog::TableIdentifier identifier(const RelationName& name);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
bool is_plain_identifier(std::string_view text);
const catalog::Field* find_column(const catalog::Schema& schema, std::string_view name);  // null: not there

std::string scan(const std::string& metadata_location);  // iceberg_scan(…)
std::vector<std::string> paths_of(const std::vector<transform::DataFile>& files);
// The table function that reads data files as the rows of one table.
std::string read_files(const std::vector<transform::DataFile>& files);
// Predicate: a row that read_parquet() gave as `rows`, with filename and file_row_number, is not one of those that
// position delete files name. There is one at least.
std::string not_deleted(std::string_view rows, std::span<const std::string> delete_paths);
std::string no_rows(const std::vector<engine::Column>& columns);  // the query that gives none

}  // namespace shoplake::model
