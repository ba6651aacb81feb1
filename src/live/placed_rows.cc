#include "live/placed_rows.h"

#include <utility>

#include <fmt/format.h>

#include "live/models_schema.h"
#include "model/lake_sql.h"

namespace shoplake::live {

std::string placed_rows(const LiveModel& model, const TableFiles& files, const std::vector<std::int32_t>& numbers,
                        const std::string& where) {
  std::vector<std::string> paths, deletes, numbered;
  for (const std::int32_t number : numbers) {
    paths.push_back(files.data.at(number).path);
    numbered.push_back(numbered_path(number, paths.back()));
  }
  for (const TableFiles::File& file : files.deletes)
    deletes.push_back(file.path);
  std::string query = fmt::format(
      "SELECT {}, files.number AS {}, rows.file_row_number AS {} FROM read_parquet({}, hive_partitioning = false, "
      "union_by_name = true, filename = true, file_row_number = true) AS rows JOIN (VALUES {}) AS files(number, path) "
      "ON rows.filename = files.path WHERE {}",
      model.casts, kFileColumn, kPositionColumn, engine::literal_list(paths), join(numbered, ", "), where);
  if (!deletes.empty())
    query += " AND " + model::not_deleted("rows", deletes);
  return query;
}

Result<void> add_cold_rows(const engine::ResultSet& listed, std::size_t keys, ColdRows& cold) {
  std::vector<ColdRows::Place> places;
  std::vector<std::vector<std::uint64_t>> hashes(keys);
  for (std::int64_t row = 0; row < listed.row_count(); ++row) {
    places.push_back({static_cast<std::int32_t>(listed.integer(row, 0)), listed.integer(row, 1)});
    for (std::size_t key = 0; key < keys; ++key)
      hashes[key].push_back(static_cast<std::uint64_t>(listed.integer(row, key + 2)));
  }
  return cold.add(places, hashes);
}

}  // namespace shoplake::live
