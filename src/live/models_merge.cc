// Models: compaction of their tables, and of the hot rows.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "live/models.h"
#include "live/models_schema.h"
#include "live/parquet_copy.h"
#include "live/placed_rows.h"

namespace shoplake::live {
namespace {

// Of the rows that may be hot: so many of a merge are put into order at once.
constexpr std::int64_t kGatheredParts = 8;
constexpr std::int64_t kGatheredRowsMin = 4;

}  // namespace

// Makes live_tick.merged of the files' rows that are not deleted, in the order of files and positions: a row's rowid is
// its position in the file that they become. Ordered a part at a time: all of a wide table do not fit into memory.
// Returns their number.
Result<std::int64_t> Models::gather_merged(const LiveModel& model, const Table& table,
                                           const std::vector<std::int32_t>& numbers) {
  const std::string merged = spelled(kTickSchema, "merged");
  const std::int64_t part = std::max(options_.hot_rows_max / kGatheredParts, kGatheredRowsMin);
  std::int64_t gathered = 0;
  bool exists = false;
  const auto take = [&](const std::vector<std::int32_t>& files, const std::string& where) -> Result<void> {
    const std::string rows = fmt::format("SELECT * FROM ({}) ORDER BY {}, {}",
                                         placed_rows(model, table.files, files, where), kFileColumn, kPositionColumn);
    const engine::ResultSet made =
        SHOPLAKE_TRY(session_->query(exists ? fmt::format("INSERT INTO {} {}", merged, rows)
                                            : fmt::format("CREATE OR REPLACE TABLE {} AS {}", merged, rows)));
    exists = true;
    gathered += made.row_count() == 1 ? made.integer(0, 0) : 0;
    return {};
  };
  std::vector<std::int32_t> small;  // files that are taken together
  std::int64_t small_rows = 0;
  const auto take_small = [&]() -> Result<void> {
    if (!small.empty())
      SHOPLAKE_TRY(take(small, "true"));
    small.clear();
    small_rows = 0;
    return {};
  };
  for (const std::int32_t number : numbers) {
    const std::int64_t rows = table.files.data.at(number).rows;
    if (small_rows + rows > part)
      SHOPLAKE_TRY(take_small());
    if (rows <= part) {
      small.push_back(number);
      small_rows += rows;
      continue;
    }
    for (std::int64_t begin = 0; begin < rows; begin += part)
      SHOPLAKE_TRY(take({number}, fmt::format("rows.file_row_number BETWEEN {} AND {}", begin, begin + part - 1)));
  }
  SHOPLAKE_TRY(take_small());
  return gathered;
}

Result<Models::Merge> Models::merge(const LiveModel& model, const std::vector<std::int32_t>& numbers) {
  Merge merge;
  auto written = write_merge(model, numbers, merge);
  if (!written.ok()) {
    remove_files(*options_.env, merge.paths);
    return std::move(written).error();
  }
  return merge;
}

Result<void> Models::write_merge(const LiveModel& model, const std::vector<std::int32_t>& numbers, Merge& merge) {
  SHOPLAKE_CHECK(!in_batch_ && !numbers.empty());
  Table& table = tables_.at(model.name);
  SHOPLAKE_TRY(place_rows(*session_, table));
  merge.model = &model;
  merge.merged = numbers;
  merge.change.table = model.table;
  merge.change.operation = catalog::TableChange::Operation::overwrite;
  merge.change.summary = {{"shoplake.live", "compaction"}};
  if (!model.appends)
    merge.change.base_snapshot_id = table.files.snapshot_id;
  std::vector<std::string> deletes;
  for (const std::int32_t number : numbers)
    merge.change.removed_paths.push_back(table.files.data.at(number).path);
  for (const TableFiles::File& file : table.files.deletes)
    deletes.push_back(file.path);
  const std::string merged = spelled(kTickSchema, "merged");
  const std::int64_t rows = SHOPLAKE_TRY(gather_merged(model, table, numbers));
  if (rows > 0) {
    const auto& partition = table.files.data.at(numbers.front()).partition;
    const std::string path =
        io::join_path(table.data_directory, partition_folder(model, partition) + options_.env->new_uuid() + ".parquet");
    merge.paths.push_back(path);
    transform::DataFile file = SHOPLAKE_TRY(copy_rows(
        *options_.env, *session_, fmt::format("SELECT {} FROM {}", model.columns, merged), model.schema, path));
    SHOPLAKE_CHECK(file.record_count == rows);
    file.partition = partition;
    merge.change.added.push_back(file);
    merge.files.push_back(std::move(file));
  }
  // Delete files go when every file that they name has gone; the rest is written together, for what is left.
  std::vector<std::string> kept;
  for (const auto& [number, file] : table.files.data) {
    if (file.deleted_rows > 0 && std::find(numbers.begin(), numbers.end(), number) == numbers.end())
      kept.push_back(engine::quote_literal(file.path));
  }
  if (!deletes.empty() && (kept.empty() || model.partition_by.empty())) {
    merge.drops_deletes = true;
    for (const std::string& path : deletes)
      merge.change.removed_paths.push_back(path);
    if (!kept.empty()) {
      const std::string path = io::join_path(table.data_directory, options_.env->new_uuid() + "-deletes.parquet");
      merge.paths.push_back(path);
      transform::DataFile file = SHOPLAKE_TRY(copy_position_deletes(
          *options_.env, *session_,
          fmt::format("SELECT DISTINCT file_path, pos FROM read_parquet({}) WHERE file_path IN ({}) ORDER BY ALL",
                      engine::literal_list(deletes), join(kept, ", ")),
          path));
      merge.change.added.push_back(file);
      merge.files.push_back(std::move(file));
    }
  }
  return {};
}

Result<void> Models::replace(const Merge& merge, std::int64_t snapshot_id) {
  const LiveModel& model = *merge.model;
  Table& table = tables_.at(model.name);
  table.files.snapshot_id = snapshot_id;
  std::vector<std::string> numbers;
  for (const std::int32_t number : merge.merged) {
    table.files.data.erase(number);
    numbers.push_back(std::to_string(number));
  }
  if (merge.drops_deletes)
    table.files.deletes.clear();
  std::optional<std::int32_t> added;
  for (const transform::DataFile& file : merge.files) {
    const std::int32_t number = table.files.add(file);
    if (number >= 0)
      added = number;
  }
  if (!model.is_hot)
    return session_->execute(fmt::format("DROP TABLE {}", spelled(kTickSchema, "merged")));
  const std::string hot = spelled(kHotSchema, model.name);
  const std::string list = join(numbers, ", ");
  SHOPLAKE_TRY(session_->execute("BEGIN TRANSACTION"));
  auto done = [&]() -> Result<void> {
    if (added) {
      SHOPLAKE_TRY(session_->execute(
          fmt::format("UPDATE {0} SET {1} = {2}, {3} = merged.rowid FROM {4} AS merged WHERE "
                      "{0}.{1} = merged.{1} AND {0}.{3} = merged.{3} AND {0}.{1} IN ({5})",
                      hot, kFileColumn, *added, kPositionColumn, spelled(kTickSchema, "merged"), list)));
    }
    const engine::ResultSet left =
        SHOPLAKE_TRY(session_->query(fmt::format("SELECT count(*) FROM {} WHERE {} IN ({})", hot, kFileColumn, list)));
    SHOPLAKE_CHECK(left.integer(0, 0) == 0);
    return {};
  }();
  if (!done.ok()) {
    (void)session_->execute("ROLLBACK");
    return done;
  }
  SHOPLAKE_TRY(session_->execute("COMMIT"));
  SHOPLAKE_TRY(move_cold_rows(table, merge.merged, added));
  return session_->execute(fmt::format("DROP TABLE {}", spelled(kTickSchema, "merged")));
}

// Gives the cold rows of files that were merged the places that live_tick.merged tells.
Result<void> Models::move_cold_rows(Table& table, const std::vector<std::int32_t>& merged,
                                    std::optional<std::int32_t> into) {
  for (const std::int32_t file : table.cold.files()) {
    if (std::find(merged.begin(), merged.end(), file) == merged.end())
      continue;
    const engine::ResultSet listed =
        SHOPLAKE_TRY(session_->query(fmt::format("SELECT {0}, rowid FROM {1} WHERE {2} = {3} ORDER BY {0}",
                                                 kPositionColumn, spelled(kTickSchema, "merged"), kFileColumn, file)));
    std::vector<std::pair<std::int64_t, std::int64_t>> positions;
    for (std::int64_t row = 0; row < listed.row_count(); ++row)
      positions.emplace_back(listed.integer(row, 0), listed.integer(row, 1));
    SHOPLAKE_CHECK(into || positions.empty());
    const std::size_t count = table.cold.count();
    table.cold.move(file, into.value_or(file), positions);
    SHOPLAKE_CHECK(table.cold.count() == count);  // rows that were deleted had become hot before
  }
  return {};
}

void Models::merged(const catalog::TableIdentifier& identifier, const catalog::TableChange& change,
                    const catalog::CommittedTable& committed) {
  for (auto& [name, table] : tables_) {
    if (table.model->table != identifier)
      continue;
    std::erase_if(table.files.data, [&](const auto& entry) {
      return std::find(change.removed_paths.begin(), change.removed_paths.end(), entry.second.path) !=
             change.removed_paths.end();
    });
    for (const transform::DataFile& file : change.added)
      table.files.add(file);
    table.files.snapshot_id = committed.snapshot_id;
  }
}

Result<void> Models::trim(const std::string& newest) {
  SHOPLAKE_CHECK(!in_batch_);
  for (auto& [name, table] : tables_) {
    const LiveModel& model = *table.model;
    if (!model.is_hot)
      continue;
    if (model.hot_days > 0) {
      const std::string oldest =
          fmt::format("CAST({} AS DATE) - {}", engine::quote_literal(newest), model.hot_days - 1);
      const bool is_new_day = oldest != table.oldest_day;
      table.oldest_day = oldest;
      SHOPLAKE_TRY(session_->execute(fmt::format("DELETE FROM {} WHERE {} < {}", spelled(kHotSchema, name),
                                                 engine::quote_identifier(model.day), oldest)));
      if (is_new_day && table.has_cold)
        SHOPLAKE_TRY(forget_cold_days(table));
    }
    if (table.has_cold)
      SHOPLAKE_TRY(cool_rows(table));
  }
  SHOPLAKE_TRY(forget_batch());
  // What a checkpoint has written can be read again: blocks that no batch touches stay out of memory.
  SHOPLAKE_TRY(session_->execute(fmt::format("FORCE CHECKPOINT {}", kDatabase)));
  return database_->release_memory();
}

// Empties what the last batch has left: the next makes it anew, and a checkpoint would write it.
Result<void> Models::forget_batch() {
  const std::vector<std::string> schemas{kBatchSchema, kReadSchema, kTickSchema};
  const engine::ResultSet tables = SHOPLAKE_TRY(session_->query(
      fmt::format("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = {} AND "
                  "list_contains({}, schema_name) AND estimated_size > 0",
                  engine::quote_literal(kDatabase), engine::literal_list(schemas))));
  for (std::int64_t row = 0; row < tables.row_count(); ++row) {
    const std::string schema = tables.text(row, 0).value_or(""), table = tables.text(row, 1).value_or("");
    SHOPLAKE_TRY(session_->execute("DELETE FROM " + spelled(schema.c_str(), table)));
  }
  for (auto& [name, table] : tables_)
    table.is_clear = true;
  return {};
}

// Rows of files that are too old as a whole; others are told when they are read.
Result<void> Models::forget_cold_days(Table& table) {
  std::vector<std::string> paths;
  const std::vector<std::int32_t> numbers = table.cold.files();
  for (const std::int32_t number : numbers)
    paths.push_back(table.files.data.at(number).path);
  if (paths.empty())
    return {};
  const engine::ResultSet old = SHOPLAKE_TRY(session_->query(fmt::format(
      "SELECT filename FROM read_parquet({0}, hive_partitioning = false, union_by_name = true, filename = true) GROUP "
      "BY filename HAVING max(coalesce({1}, {2})) < {2}",
      engine::literal_list(paths), engine::quote_identifier(table.model->day), table.oldest_day)));
  for (std::int64_t row = 0; row < old.row_count(); ++row) {
    const auto found = std::find(paths.begin(), paths.end(), old.text(row, 0).value_or(""));
    if (found != paths.end())
      table.cold.forget_file(numbers[static_cast<std::size_t>(found - paths.begin())]);
  }
  return {};
}

// Rows are in the order in which they were written: all but the newer half of what may be hot go.
Result<void> Models::cool_rows(Table& table) {
  const std::string hot = spelled(kHotSchema, table.model->name);
  const engine::ResultSet counted = SHOPLAKE_TRY(session_->query("SELECT count(*) FROM " + hot));
  const std::int64_t cooled = counted.integer(0, 0) - options_.hot_rows_max / 2;
  if (counted.integer(0, 0) <= options_.hot_rows_max)
    return {};
  const engine::ResultSet kept =
      SHOPLAKE_TRY(session_->query(fmt::format("SELECT rowid FROM {} ORDER BY rowid LIMIT 1 OFFSET {}", hot, cooled)));
  SHOPLAKE_TRY(place_rows(*session_, table));
  const std::string which = kept.row_count() == 0 ? "true" : fmt::format("rowid < {}", kept.integer(0, 0));
  base::log::debug("live.cooled", {{"model", table.model->name}, {"rows", cooled}});
  const engine::ResultSet listed = SHOPLAKE_TRY(session_->query(
      fmt::format("SELECT {}, {}{} FROM {} WHERE {}", kFileColumn, kPositionColumn, table.keys.names(), hot, which)));
  SHOPLAKE_TRY(session_->execute(fmt::format("DELETE FROM {} WHERE {}", hot, which)));
  return add_cold_rows(listed, table.keys.count(), table.cold);
}

std::size_t Models::cold_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, table] : tables_)
    bytes += table.cold.memory_bytes();
  return bytes;
}

}  // namespace shoplake::live
