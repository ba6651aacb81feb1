#include "live/models.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "live/models_schema.h"
#include "live/parquet_copy.h"

namespace shoplake::live {

Models::~Models() { discard(); }

Result<ModelChanges> Models::run(const Batch& batch) {
  SHOPLAKE_CHECK(!in_batch_);
  ModelChanges changes;
  SHOPLAKE_TRY(session_->execute("BEGIN TRANSACTION"));
  in_batch_ = true;
  auto done = [&]() -> Result<void> {
    SHOPLAKE_TRY(show_batch(batch));
    return run_steps(changes);
  }();
  if (!done.ok()) {
    discard();
    return std::move(done).error();
  }
  changes.paths = paths_;
  return changes;
}

Result<void> Models::show_source(const SourceTable& table, const std::vector<std::string>& files,
                                 std::int64_t oldest_micros) {
  Source& source = sources_.at(table.table);
  const std::string name = spelled(kSourceSchema, table.table.name);
  if (files.empty()) {
    if (source.is_shown)
      SHOPLAKE_TRY(session_->execute(fmt::format("CREATE OR REPLACE VIEW {} AS {}", name, source.empty)));
    source.is_shown = false;
    return {};
  }
  const std::string read =
      fmt::format("read_parquet({}, hive_partitioning = false, union_by_name = false)", engine::literal_list(files));
  const std::string is_recent = fmt::format(fmt::runtime(source.is_recent), oldest_micros);
  SHOPLAKE_TRY(
      session_->execute(fmt::format("CREATE OR REPLACE VIEW {} AS SELECT * FROM {} WHERE {}", name, read, is_recent)));
  source.is_shown = true;
  const engine::ResultSet late =
      SHOPLAKE_TRY(session_->query(fmt::format("SELECT count(*) FROM {} WHERE NOT ({})", read, is_recent)));
  late_rows_ += late.integer(0, 0);
  return {};
}

Result<void> Models::show_batch(const Batch& batch) {
  late_rows_ = 0;
  static const std::vector<std::string> kNone;
  for (const SourceTable& source : options_.sources) {
    const auto found = batch.files.find(source.table);
    SHOPLAKE_TRY(show_source(source, found == batch.files.end() ? kNone : found->second, batch.oldest_micros));
  }
  return {};
}

Result<void> Models::run_steps(ModelChanges& changes) {
  for (const Plan::Step& step : plan_.steps) {
    if (step.view != nullptr) {
      if (step.view->is_batch)
        SHOPLAKE_TRY(run_view(*step.view).within("live view " + step.view->name));
      continue;
    }
    const LiveModel& model = *step.model;
    Table& table = tables_.at(model.name);
    const std::int64_t begin = options_.env->monotonic_micros();
    table.added.clear();
    table.added_deletes.clear();
    table.removed_rows.clear();
    SHOPLAKE_TRY((model.appends ? run_append(model, table) : run_scoped(model, table))
                     .within("live model " + catalog::to_string(model.table)));
    base::log::debug("live.model", {{"model", model.name}, {"micros", options_.env->monotonic_micros() - begin}});
    if (table.added.empty() && table.added_deletes.empty())
      continue;
    catalog::TableChange change;
    change.table = model.table;
    // Rows of a table that only grows refer to nothing; the others' deletes are true of this snapshot only.
    change.operation =
        model.appends ? catalog::TableChange::Operation::append : catalog::TableChange::Operation::overwrite;
    if (!model.appends)
      change.base_snapshot_id = table.files.snapshot_id;
    for (const auto& [number, file] : table.added)
      change.added.push_back(file);
    for (const transform::DataFile& file : table.added_deletes)
      change.added.push_back(file);
    change.summary = {{"shoplake.live", "batch"}};
    changes.changes.push_back(std::move(change));
  }
  return {};
}

Result<void> Models::run_view(const LiveView& view) {
  return session_->execute(fmt::format("CREATE OR REPLACE TABLE {} AS {}", spelled(kBatchSchema, view.name), view.sql));
}

Result<void> Models::run_append(const LiveModel& model, Table& table) {
  const std::string batch = spelled(kBatchSchema, model.name);
  const engine::ResultSet created = SHOPLAKE_TRY(session_->query(
      fmt::format("CREATE OR REPLACE TABLE {} AS SELECT {} FROM ({}\n) AS batch", batch, model.casts, model.sql)));
  const std::int64_t rows = created.row_count() == 1 ? created.integer(0, 0) : 0;
  return rows == 0 ? Result<void>() : write_added(model, table, batch);
}

namespace {

// Rows nearer to each other than this are read in one go: the engine decompresses 2,048 at a time anyway.
constexpr std::int64_t kStretchGapRows = 8'192;
constexpr std::size_t kStretchesMax = 8;

// Stretches of a table, first and last row of each, that hold all of the given rows, which are in order. Most rows that
// a batch touches were written lately; without it a single old one would have everything after it read.
std::vector<std::pair<std::int64_t, std::int64_t>> row_stretches(const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> gaps;
  for (std::size_t index = 1; index < rows.size(); ++index)
    gaps.push_back(rows[index] - rows[index - 1]);
  std::int64_t least = kStretchGapRows;
  if (gaps.size() >= kStretchesMax) {
    std::nth_element(gaps.begin(), gaps.begin() + (kStretchesMax - 1), gaps.end(), std::greater<>());
    least = std::max(least, gaps[kStretchesMax - 1]);
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> stretches;
  for (const std::int64_t row : rows) {
    if (stretches.empty() || row - stretches.back().second > least)
      stretches.emplace_back(row, row);
    stretches.back().second = row;
  }
  return stretches;
}

}  // namespace

// Of a lookup by key: a predicate of hot rows, true of at least all of its rows; none: the batch has none of its keys.
Result<std::optional<std::string>> Models::find_candidates(const Lookup& lookup) {
  std::vector<std::string> by_key;
  std::vector<ColdRows::Row> cold;
  for (std::size_t number = 0; number < lookup.terms.size(); ++number) {
    const KeyTerm& term = lookup.terms[number];
    const std::string keys = spelled(kTickSchema, fmt::format("keys_{}", number));
    const engine::ResultSet created = SHOPLAKE_TRY(
        session_->query(fmt::format("CREATE OR REPLACE TABLE {} AS {}", keys, lookup.table->keys.keys(term))));
    if (created.row_count() == 0 || created.integer(0, 0) == 0)
      continue;
    by_key.push_back(fmt::format("{} IN (SELECT key FROM {})", lookup.table->keys.name(term.columns), keys));
    if (lookup.table->has_cold)
      SHOPLAKE_TRY(find_cold(*lookup.table, term, keys, cold));
  }
  if (by_key.empty())
    return std::optional<std::string>();
  SHOPLAKE_TRY(warm_rows(*lookup.table, std::move(cold)));
  return std::optional("(" + join(by_key, " OR ") + ")");
}

// Appends the cold rows that may have one of the keys.
Result<void> Models::find_cold(const Table& table, const KeyTerm& term, const std::string& keys,
                               std::vector<ColdRows::Row>& found) {
  const engine::ResultSet listed = SHOPLAKE_TRY(session_->query("SELECT key FROM " + keys));
  std::vector<std::uint64_t> hashes;
  hashes.reserve(static_cast<std::size_t>(listed.row_count()));
  for (std::int64_t row = 0; row < listed.row_count(); ++row)
    hashes.push_back(static_cast<std::uint64_t>(listed.integer(row, 0)));
  return table.cold.find(table.keys.number(term.columns), hashes, found);
}

// Reads cold rows from their files: they are hot then.
Result<void> Models::warm_rows(Table& table, std::vector<ColdRows::Row> found) {
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  const LiveModel& model = *table.model;
  const std::int64_t begun = options_.env->monotonic_micros();
  std::int64_t files = 0;
  const std::string is_recent =
      table.oldest_day.empty()
          ? std::string()
          : fmt::format(" AND ({0} IS NULL OR {0} >= {1})", engine::quote_identifier(model.day), table.oldest_day);
  for (auto begin = found.begin(); begin != found.end();) {
    const std::int32_t file = begin->place.file;
    std::string positions;
    auto end = begin;
    for (; end != found.end() && end->place.file == file; ++end)
      positions += fmt::format("{}{}", positions.empty() ? "" : ", ", end->place.position);
    SHOPLAKE_TRY(session_->execute(fmt::format(
        "INSERT INTO {0} SELECT {1}, {2}, {3}{4} FROM (SELECT {5}, {6} AS {2}, rows.file_row_number AS {3} FROM "
        "read_parquet({7}, hive_partitioning = false, file_row_number = true) AS rows WHERE rows.file_row_number "
        "BETWEEN {8} AND {9} AND rows.file_row_number IN ({10}){11})",
        spelled(kHotSchema, model.name), model.columns, kFileColumn, kPositionColumn, table.keys.values(), model.casts,
        file, engine::quote_literal(table.files.data.at(file).path), begin->place.position,
        std::prev(end)->place.position, positions, is_recent)));
    begin = end;
    ++files;
  }
  if (!found.empty())
    base::log::debug("live.warmed", {{"model", model.name},
                                     {"rows", static_cast<std::int64_t>(found.size())},
                                     {"files", files},
                                     {"micros", options_.env->monotonic_micros() - begun}});
  table.cold.take(found);
  return {};
}

// Makes the table `into` of the rows of a lookup. False: the batch has none of its keys, and nothing was made.
Result<bool> Models::find_rows(const Lookup& lookup, const std::string& columns, const std::string& into) {
  const std::string hot = spelled(kHotSchema, lookup.table->model->name);
  if (lookup.terms.empty()) {
    SHOPLAKE_TRY(session_->execute(
        fmt::format("CREATE OR REPLACE TABLE {} AS SELECT {} FROM {} WHERE ({}\n)", into, columns, hot, lookup.where)));
    return true;
  }
  const std::optional<std::string> candidates = SHOPLAKE_TRY(find_candidates(lookup));
  if (!candidates)
    return false;
  // First which rows, from the columns that tell; then the others of their columns, where these rows are.
  const engine::ResultSet listed =
      SHOPLAKE_TRY(session_->query(fmt::format("SELECT rowid FROM {} WHERE {}", hot, *candidates)));
  std::vector<std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(listed.row_count()));
  for (std::int64_t row = 0; row < listed.row_count(); ++row)
    rows.push_back(listed.integer(row, 0));
  std::sort(rows.begin(), rows.end());
  std::vector<std::string> stretches;
  for (const auto& [first, last] : row_stretches(rows))
    stretches.push_back(
        fmt::format("SELECT {} FROM {} WHERE rowid BETWEEN {} AND {} AND {}", columns, hot, first, last, *candidates));
  if (stretches.empty())
    stretches.push_back(fmt::format("SELECT {} FROM {} LIMIT 0", columns, hot));
  // The predicate has the last word, when the rows have been read.
  SHOPLAKE_TRY(session_->execute(fmt::format(
      "CREATE OR REPLACE TABLE {} AS WITH candidates AS MATERIALIZED ({}) SELECT * FROM candidates WHERE ({}\n)", into,
      join(stretches, " UNION ALL "), lookup.where)));
  return true;
}

// Says that the batch changes nothing of a model.
Result<void> Models::clear(Table& table) {
  if (table.is_clear)
    return {};
  for (const char* name : {"old_", "difference_"})
    SHOPLAKE_TRY(session_->execute(fmt::format("DELETE FROM {}", spelled(kTickSchema, name + table.model->name))));
  table.is_clear = true;
  return {};
}

Result<void> Models::run_scoped(const LiveModel& model, Table& table) {
  const std::string old = spelled(kTickSchema, "old_" + model.name);
  const std::string difference = spelled(kTickSchema, "difference_" + model.name);
  // The scope is looked for in the hot rows once; `this`, the comparison and the deletes take what was found.
  const std::string columns =
      fmt::format("{}, {}, {}, rowid AS {}", model.columns, kFileColumn, kPositionColumn, kRowColumn);
  if (!SHOPLAKE_TRY(find_rows(table.scope, columns, old)))
    return clear(table);
  table.is_clear = false;
  for (const Read& read : table.reads) {
    if (!SHOPLAKE_TRY(find_rows(read.lookup, read.lookup.table->model->columns, read.relation)))
      SHOPLAKE_TRY(session_->execute("DELETE FROM " + read.relation));
  }
  SHOPLAKE_TRY(session_->execute(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1}, CAST(sum(_shoplake_sign) AS BIGINT) AS _shoplake_count, "
                  "list({4}) FILTER (_shoplake_sign < 0) AS _shoplake_rows FROM ("
                  "SELECT {2}, 1 AS _shoplake_sign, CAST(NULL AS BIGINT) AS {4} FROM ({3}\n) AS new_rows UNION ALL "
                  "SELECT {1}, -1, {4} FROM {5}) GROUP BY {1} HAVING sum(_shoplake_sign) <> 0",
                  difference, model.columns, model.casts, model.sql, kRowColumn, old)));
  const engine::ResultSet counts = SHOPLAKE_TRY(
      session_->query(fmt::format("SELECT count(*) FILTER (_shoplake_count < 0), count(*) FILTER (_shoplake_count > 0) "
                                  "FROM {}",
                                  difference)));
  if (counts.integer(0, 0) > 0) {
    SHOPLAKE_TRY(session_->execute(fmt::format(
        "CREATE OR REPLACE TABLE {0} AS SELECT {1}, {2}, {3} FROM {4} WHERE {3} IN (SELECT unnest(_shoplake_rows[1 : "
        "-_shoplake_count]) FROM {5} WHERE _shoplake_count < 0)",
        spelled(kTickSchema, "removed"), kFileColumn, kPositionColumn, kRowColumn, old, difference)));
    SHOPLAKE_TRY(write_deletes(model, table));
  }
  if (counts.integer(0, 1) == 0)
    return {};
  return write_added(model, table,
                     fmt::format("(SELECT {0} FROM (SELECT {0}, unnest(range(_shoplake_count)) FROM {1} WHERE "
                                 "_shoplake_count > 0))",
                                 model.columns, difference));
}

namespace {

// The partitions of the rows of a relation, as text; one empty tuple for a table that has none.
Result<std::vector<std::vector<transform::PartitionValue>>> partitions_of(engine::Session& session,
                                                                          const LiveModel& model,
                                                                          const std::string& relation) {
  if (model.partition_by.empty())
    return std::vector<std::vector<transform::PartitionValue>>(1);
  std::string columns;
  for (const std::string& column : model.partition_by)
    columns += fmt::format("{}CAST({} AS VARCHAR)", columns.empty() ? "" : ", ", engine::quote_identifier(column));
  const engine::ResultSet found =
      SHOPLAKE_TRY(session.query(fmt::format("SELECT DISTINCT {} FROM {} ORDER BY ALL", columns, relation)));
  std::vector<std::vector<transform::PartitionValue>> partitions;
  for (std::int64_t row = 0; row < found.row_count(); ++row) {
    auto& values = partitions.emplace_back();
    for (std::size_t column = 0; column < model.partition_by.size(); ++column)
      values.push_back(found.text(row, column));
  }
  return partitions;
}

std::string in_partition(const LiveModel& model, const std::vector<transform::PartitionValue>& values) {
  std::string where = "true";
  for (std::size_t index = 0; index < values.size(); ++index)
    where += fmt::format(" AND CAST({} AS VARCHAR) IS NOT DISTINCT FROM {}",
                         engine::quote_identifier(model.partition_by[index]),
                         values[index] ? engine::quote_literal(*values[index]) : "NULL");
  return where;
}

}  // namespace

// The rows of a relation become a data file for each partition, and hot rows. The engine gives them in the same order
// each time, so that both get the same places.
Result<void> Models::write_added(const LiveModel& model, Table& table, const std::string& added) {
  for (const auto& values : SHOPLAKE_TRY(partitions_of(*session_, model, added))) {
    const std::string rows =
        values.empty() ? added : fmt::format("(SELECT * FROM {} WHERE {})", added, in_partition(model, values));
    const std::string folder = partition_folder(model, values);
    if (!folder.empty())
      SHOPLAKE_TRY(options_.env->create_directories(io::join_path(table.data_directory, folder)));
    const std::string path = io::join_path(table.data_directory, folder + options_.env->new_uuid() + ".parquet");
    paths_.push_back(path);
    transform::DataFile file = SHOPLAKE_TRY(
        copy_rows(*options_.env, *session_, fmt::format("SELECT {} FROM {}", model.columns, rows), model.schema, path));
    file.partition = values;
    const std::int32_t number = table.files.next_number + static_cast<std::int32_t>(table.added.size());
    if (model.is_hot) {
      SHOPLAKE_TRY(session_->execute(fmt::format("INSERT INTO {} SELECT {}, {}, row_number() OVER () - 1{} FROM {}",
                                                 spelled(kHotSchema, model.name), model.columns, number,
                                                 table.keys.values(), rows)));
    }
    table.added.emplace_back(number, std::move(file));
  }
  return {};
}

// The hot rows of live_tick.removed become a position delete file for each partition, and go.
Result<void> Models::write_deletes(const LiveModel& model, Table& table) {
  const std::string removed = spelled(kTickSchema, "removed");
  const engine::ResultSet counts =
      SHOPLAKE_TRY(session_->query(fmt::format("SELECT {0}, count(*) FROM {1} GROUP BY {0}", kFileColumn, removed)));
  for (std::int64_t row = 0; row < counts.row_count(); ++row)
    table.removed_rows[static_cast<std::int32_t>(counts.integer(row, 0))] = counts.integer(row, 1);
  // A delete file belongs to the partition of the files that it names.
  std::map<std::vector<transform::PartitionValue>, std::vector<std::string>> partitions;
  for (const auto& [number, count] : table.removed_rows) {
    const TableFiles::File& file = table.files.data.at(number);
    partitions[file.partition].push_back(numbered_path(number, file.path));
  }
  for (const auto& [values, files] : partitions) {
    const std::string folder = partition_folder(model, values);
    const std::string path =
        io::join_path(table.data_directory, folder + options_.env->new_uuid() + "-deletes.parquet");
    paths_.push_back(path);
    transform::DataFile file = SHOPLAKE_TRY(copy_position_deletes(
        *options_.env, *session_,
        fmt::format("SELECT files.path AS file_path, removed.{0} AS pos FROM {1} AS removed JOIN (VALUES {2}) AS "
                    "files(number, path) ON removed.{3} = files.number ORDER BY ALL",
                    kPositionColumn, removed, join(files, ", "), kFileColumn),
        path));
    file.partition = values;
    table.added_deletes.push_back(std::move(file));
  }
  return session_->execute(fmt::format("DELETE FROM {} WHERE rowid IN (SELECT {} FROM {})",
                                       spelled(kHotSchema, model.name), kRowColumn, removed));
}

Result<void> Models::accept(const std::vector<catalog::CommittedTable>& committed) {
  SHOPLAKE_CHECK(in_batch_);
  in_batch_ = false;
  paths_.clear();
  SHOPLAKE_TRY(session_->execute("COMMIT"));
  for (auto& [name, table] : tables_) {
    const auto found = std::find_if(committed.begin(), committed.end(), [&](const catalog::CommittedTable& one) {
      return one.table == table.model->table;
    });
    if (found != committed.end() && !(table.added.empty() && table.added_deletes.empty()))
      table.files.snapshot_id = found->snapshot_id;
    for (const auto& [number, file] : table.added)
      SHOPLAKE_CHECK(table.files.add(file) == number);
    for (const transform::DataFile& file : table.added_deletes)
      table.files.add(file);
    for (const auto& [number, count] : table.removed_rows)
      table.files.data.at(number).deleted_rows += count;
    table.cold.commit();
    table.added.clear();
    table.added_deletes.clear();
    table.removed_rows.clear();
  }
  return {};
}

void Models::discard() {
  if (!in_batch_)
    return;
  in_batch_ = false;
  (void)session_->execute("ROLLBACK");
  remove_files(*options_.env, paths_);
  paths_.clear();
  for (auto& [name, table] : tables_) {
    table.added.clear();
    table.added_deletes.clear();
    table.removed_rows.clear();
    table.is_clear = false;
    table.cold.rollback();
  }
  for (auto& [name, source] : sources_)
    source.is_shown = true;
}

}  // namespace shoplake::live
