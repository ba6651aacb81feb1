#include "model/lake_sql.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace shoplake::model {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

RelationName folded(const RelationName& name) { return {lower(name.schema), lower(name.identifier)}; }

catalog::TableIdentifier identifier(const RelationName& name) { return {{{name.schema}}, name.identifier}; }

std::string scan(const std::string& metadata_location) {
  return fmt::format("iceberg_scan({})", engine::quote_literal(metadata_location));
}

std::vector<std::string> paths_of(const std::vector<transform::DataFile>& files) {
  std::vector<std::string> paths;
  for (const transform::DataFile& file : files)
    paths.push_back(file.path);
  return paths;
}

std::string read_files(const std::vector<transform::DataFile>& files) {
  return fmt::format("read_parquet({}, hive_partitioning = false, union_by_name = false)",
                     engine::literal_list(paths_of(files)));
}

std::string not_deleted(std::string_view rows, std::span<const std::string> delete_paths) {
  return fmt::format(
      "NOT EXISTS (SELECT 1 FROM read_parquet({1}) AS deleted WHERE deleted.file_path = {0}.filename AND deleted.pos = "
      "{0}.file_row_number)",
      rows, engine::literal_list(delete_paths));
}

std::string no_rows(const std::vector<engine::Column>& columns) {
  std::string list;
  for (const engine::Column& column : columns)
    list += fmt::format("{}CAST(NULL AS {}) AS {}", list.empty() ? "" : ", ", column.type,
                        engine::quote_identifier(column.name));
  return fmt::format("SELECT {} WHERE false", list);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty())
      text += separator;
    text += part;
  }
  return text;
}

bool is_plain_identifier(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; }) &&
         !std::isdigit(static_cast<unsigned char>(text[0]));
}

const catalog::Field* find_column(const catalog::Schema& schema, std::string_view name) {
  const std::string wanted = lower(name);
  for (const catalog::Field& field : schema.fields) {
    if (lower(field.name) == wanted)
      return &field;
  }
  return nullptr;
}

}  // namespace shoplake::model
