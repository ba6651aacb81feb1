#include "model/direct_read.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/iceberg_type.h"
#include "model/lake_sql.h"

namespace shoplake::model {
namespace {

using Content = transform::DataFile::Content;

// What read_parquet() is asked to say of each row, to find it among the position deletes.
constexpr const char* kPath = "filename";
constexpr const char* kPosition = "file_row_number";

bool is_ours(const nlohmann::json& snapshot) {
  const nlohmann::json summary = snapshot.value("summary", nlohmann::json::object());
  return std::any_of(summary.items().begin(), summary.items().end(),
                     [](const auto& item) { return item.key().starts_with("shoplake."); });
}

// All snapshots that there ever were are ours: the first is among them.
bool are_all_ours(const nlohmann::json& snapshots) {
  bool has_first = false;
  for (const nlohmann::json& snapshot : snapshots) {
    has_first = has_first || !snapshot.contains("parent-snapshot-id") || snapshot["parent-snapshot-id"].is_null();
    if (!is_ours(snapshot))
      return false;
  }
  return has_first;
}

// Whether the query gives exactly the schema's columns.
bool gives(engine::Session& session, const std::string& from, const catalog::Schema& schema) {
  const Result<engine::ResultSet> described = session.query(fmt::format("DESCRIBE SELECT * FROM {}", from));
  if (!described.ok() || described->row_count() != static_cast<std::int64_t>(schema.fields.size()))
    return false;
  for (std::int64_t row = 0; row < described->row_count(); ++row) {
    const catalog::Field& field = schema.fields[static_cast<std::size_t>(row)];
    const Result<StoredType> type = stored_type(described->text(row, 1).value_or(""));
    if (described->text(row, 0) != field.name || !type.ok() || type->duckdb != duckdb_type(field.type))
      return false;
  }
  return true;
}

std::string without_deleted(const std::vector<transform::DataFile>& files,
                            const std::vector<transform::DataFile>& deletes) {
  return fmt::format(
      "(SELECT * EXCLUDE ({0}, {1}) FROM read_parquet({2}, hive_partitioning = false, union_by_name = false, {0} = "
      "true, {1} = true) AS stored WHERE {3})",
      kPath, kPosition, engine::literal_list(paths_of(files)), not_deleted("stored", paths_of(deletes)));
}

}  // namespace

std::optional<std::string> direct_read(catalog::Catalog& catalog, engine::Session& session,
                                       const catalog::TableIdentifier& table, const std::string& metadata_location,
                                       DeletedRows deleted) {
  const Result<std::string> text = catalog.options().env->read_file(metadata_location);
  if (!text.ok())
    return std::nullopt;
  Result<std::shared_ptr<const catalog::TableMetadata>> metadata = catalog::TableMetadata::parse(*text);
  if (!metadata.ok())
    return std::nullopt;
  const nlohmann::json& document = (*metadata)->document();
  if ((*metadata)->format_version() > 2 || document.value("schemas", nlohmann::json::array()).size() != 1)
    return std::nullopt;
  const catalog::Schema& schema = (*metadata)->current_schema();
  if ((*metadata)->current_snapshot() == nullptr) {  // a query that reads it is planned as if it were not there
    std::vector<engine::Column> columns;
    for (const catalog::Field& field : schema.fields)
      columns.push_back({field.name, duckdb_type(field.type)});
    return fmt::format("({})", no_rows(columns));
  }
  if (!are_all_ours(document["snapshots"]))
    return std::nullopt;
  Result<std::vector<transform::DataFile>> files =
      catalog.list_files({table, metadata_location, *metadata}, std::nullopt, /*with_statistics=*/false);
  if (!files.ok() || files->size() > kDirectFilesMax)
    return std::nullopt;
  const auto end_of_data = std::stable_partition(
      files->begin(), files->end(), [](const transform::DataFile& file) { return file.content == Content::data; });
  std::vector<transform::DataFile> deletes(end_of_data, files->end());
  files->erase(end_of_data, files->end());
  if (files->empty())
    return std::nullopt;
  const bool are_positions = std::all_of(deletes.begin(), deletes.end(), [](const transform::DataFile& file) {
    return file.content == Content::position_deletes;
  });
  const bool can_leave_out = deleted == DeletedRows::left_out && are_positions && schema.find(kPath) == nullptr &&
                             schema.find(kPosition) == nullptr;
  if (!deletes.empty() && !can_leave_out)
    return std::nullopt;
  std::string read = deletes.empty() ? read_files(*files) : without_deleted(*files, deletes);
  return gives(session, read, schema) ? std::optional(std::move(read)) : std::nullopt;
}

}  // namespace shoplake::model
