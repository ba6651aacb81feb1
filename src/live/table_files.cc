#include "live/table_files.h"

#include <utility>

#include <fmt/format.h>

namespace shoplake::live {

using Content = transform::DataFile::Content;

std::int32_t TableFiles::add(const transform::DataFile& file) {
  File added{file.path, file.record_count, 0, file.file_size_bytes, file.partition};
  if (file.content != Content::data) {
    deletes.push_back(std::move(added));
    return -1;
  }
  data.emplace(next_number, std::move(added));
  return next_number++;
}

std::int64_t TableFiles::live_rows() const {
  std::int64_t rows = 0;
  for (const auto& [number, file] : data)
    rows += file.rows - file.deleted_rows;
  return rows;
}

std::vector<std::string> TableFiles::paths() const {
  std::vector<std::string> paths;
  for (const auto& [number, file] : data)
    paths.push_back(file.path);
  for (const File& file : deletes)
    paths.push_back(file.path);
  return paths;
}

Result<TableFiles> list_table_files(catalog::Catalog& catalog, const catalog::Table& table, engine::Session& session) {
  TableFiles files;
  files.snapshot_id = table.metadata->current_snapshot_id();
  std::map<std::string, std::int32_t> numbers;
  for (const transform::DataFile& file :
       SHOPLAKE_TRY(catalog.list_files(table, std::nullopt, /*with_statistics=*/false))) {
    if (file.content == Content::equality_deletes) {
      return base::make_error(base::ErrorKind::failed, "live.unsupported_table",
                              fmt::format("{} has equality deletes, which another engine wrote: live cannot change it",
                                          catalog::to_string(table.identifier)),
                              "`shoplake build --full-refresh` writes it anew.");
    }
    const std::int32_t number = files.add(file);
    if (number >= 0)
      numbers.emplace(file.path, number);
  }
  if (files.deletes.empty())
    return files;
  std::vector<std::string> paths;
  for (const TableFiles::File& file : files.deletes)
    paths.push_back(file.path);
  const engine::ResultSet counts = SHOPLAKE_TRY(session.query(fmt::format(
      "SELECT file_path, count(DISTINCT pos) FROM read_parquet({}) GROUP BY file_path", engine::literal_list(paths))));
  for (std::int64_t row = 0; row < counts.row_count(); ++row) {
    const auto found = numbers.find(counts.text(row, 0).value_or(""));
    if (found != numbers.end())
      files.data.at(found->second).deleted_rows = counts.integer(row, 1);
  }
  return files;
}

}  // namespace shoplake::live
