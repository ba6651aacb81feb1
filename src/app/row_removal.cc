#include "app/row_removal.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/session.h"
#include "io/sync_files.h"
#include "live/parquet_copy.h"
#include "transform/layout.h"

namespace shoplake::app {

namespace {

using base::Result;
using transform::DataFile;

std::string literals(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts)
    list += (list.empty() ? "" : ", ") + engine::quote_literal(text);
  return list;
}

// Whether a row of the file may have the object, by the file's statistics.
bool may_hold(const DataFile& file, std::int32_t field_id, const std::string& object) {
  for (const transform::ColumnStatistics& column : file.columns) {
    if (column.field_id == field_id && column.lower_bound && column.upper_bound)
      return *column.lower_bound <= object && object <= *column.upper_bound;
  }
  return true;
}

// The column that names the raw object of a row: of a dataset's table, or of its quarantine.
const catalog::Field* source_object_column(const catalog::Schema& schema) {
  const catalog::Field* column = schema.find(transform::kSourceObjectColumn);
  return column != nullptr ? column : schema.find("source_object");
}

// The rows of the object in files that hold others', too: a delete file for each partition that has any.
Result<void> delete_rows(App& app, const std::vector<const DataFile*>& files, const std::string& column,
                         const std::string& object, const std::string& folder, RowRemoval& removal) {
  const auto database = SHOPLAKE_TRY(app.open_engine());
  const auto session = SHOPLAKE_TRY(database->connect());
  std::map<std::vector<transform::PartitionValue>, std::vector<std::string>> partitions;
  for (const DataFile* file : files)
    partitions[file->partition].push_back(file->path);
  std::vector<std::string> written;
  for (const auto& [partition, paths] : partitions) {
    const std::string query = fmt::format(
        "SELECT filename AS file_path, file_row_number AS pos FROM read_parquet([{}], filename = true, file_row_number "
        "= "
        "true) WHERE {} = {} ORDER BY ALL",
        literals(paths), engine::quote_identifier(column), engine::quote_literal(object));
    const std::string path = io::join_path(folder, app.env().new_uuid() + "-deletes.parquet");
    DataFile deletes = SHOPLAKE_TRY(live::copy_position_deletes(app.env(), *session, query, path));
    deletes.partition = partition;
    if (deletes.record_count == 0) {
      static_cast<void>(app.env().remove_file(path));
      continue;
    }
    removal.deletes.push_back(std::move(deletes));
    written.push_back(path);
  }
  return io::sync_files(app.env(), written);
}

// The rows of the object in the table's files but for `own`.
Result<void> delete_rows_elsewhere(App& app, const catalog::Table& table, const std::string& object,
                                   const std::vector<std::string>& own, RowRemoval& removal) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const catalog::Field* column = source_object_column(table.metadata->current_schema());
  const std::vector<DataFile> all = SHOPLAKE_TRY(catalog->list_files(table));
  std::vector<const DataFile*> merged;
  for (const DataFile& file : all) {
    const bool is_own = std::find(own.begin(), own.end(), file.path) != own.end();
    if (file.content == DataFile::Content::data && !is_own && column != nullptr && may_hold(file, column->id, object))
      merged.push_back(&file);
  }
  if (merged.empty())
    return {};
  return delete_rows(app, merged, column->name, object, SHOPLAKE_TRY(catalog->data_location(table.identifier)),
                     removal);
}

}  // namespace

Result<RowRemoval> plan_row_removal(App& app, const catalog::TableIdentifier& table, const std::string& object,
                                    const std::vector<std::string>& files) {
  RowRemoval removal;
  if (files.empty())
    return removal;
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const catalog::Table current = SHOPLAKE_TRY(catalog->load_table(table));
  std::set<std::string> present;
  for (const DataFile& file : SHOPLAKE_TRY(catalog->list_files(current, {}, false)))
    present.insert(file.path);
  for (const std::string& path : files) {
    if (present.contains(path))
      removal.removed_paths.push_back(path);
  }
  if (removal.removed_paths.size() < files.size())
    SHOPLAKE_TRY(delete_rows_elsewhere(app, current, object, files, removal));
  return removal;
}

Result<RowRemoval> plan_row_removal(App& app, const catalog::TableIdentifier& table, const std::string& object) {
  RowRemoval removal;
  const catalog::Table current = SHOPLAKE_TRY(SHOPLAKE_TRY(app.catalog())->load_table(table));
  SHOPLAKE_TRY(delete_rows_elsewhere(app, current, object, {}, removal));
  return removal;
}

void discard(io::Env& env, const RowRemoval& removal) {
  for (const DataFile& file : removal.deletes)
    static_cast<void>(env.remove_file(file.path));
}

}  // namespace shoplake::app
