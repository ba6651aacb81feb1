#include "live/models.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "live/models_schema.h"
#include "live/parquet_copy.h"
#include "live/step_order.h"

namespace shoplake::live {

Result<ModelChanges> Models::run(const Batch& batch) {
  SHOPLAKE_CHECK(!in_batch_ && is_current_);
  in_batch_ = true;
  ++batch_;
  auto done = show_batch(batch);
  if (done.ok())
    done = run_steps();
  if (!done.ok()) {
    discard();
    return std::move(done).error();
  }
  return changes();
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

// First what a model's rows are, for those that read them; its files are written when nothing waits for more.
Result<void> Models::run_steps() {
  std::vector<std::vector<std::size_t>> after;
  for (const Plan::Step& step : plan_.steps)
    after.push_back(step.after);
  std::vector<Table*> written;
  for (std::size_t step = 0; step < plan_.steps.size(); ++step) {
    if (plan_.steps[step].model == nullptr)
      continue;
    after.push_back({step});
    written.push_back(&tables_.at(plan_.steps[step].model->name));
  }
  return run_in_order(after, helpers_.size() + 1, [&](std::size_t step, std::size_t worker) {
    engine::Session& session = worker == 0 ? *session_ : *helpers_[worker - 1];
    return step < plan_.steps.size() ? run_step(session, plan_.steps[step])
                                     : write_files(session, *written[step - plan_.steps.size()]);
  });
}

Result<void> Models::run_step(engine::Session& session, const Plan::Step& step) {
  if (step.view != nullptr && !step.view->is_batch)
    return {};
  const std::int64_t begin = options_.env->monotonic_micros();
  if (step.view != nullptr) {
    SHOPLAKE_TRY(run_view(session, *step.view).within("live view " + step.view->name));
  } else {
    Table& table = tables_.at(step.model->name);
    SHOPLAKE_TRY((step.model->appends ? run_append(session, table) : run_scoped(session, table))
                     .within("live model " + catalog::to_string(step.model->table)));
  }
  base::log::debug("live.model", {{"model", step.view != nullptr ? step.view->name : step.model->name},
                                  {"micros", options_.env->monotonic_micros() - begin}});
  return {};
}

// What the batch did to the tables.
ModelChanges Models::changes() const {
  ModelChanges changes;
  for (const Plan::Step& step : plan_.steps) {
    if (step.model == nullptr)
      continue;
    const LiveModel& model = *step.model;
    const Table& table = tables_.at(model.name);
    changes.paths.insert(changes.paths.end(), table.paths.begin(), table.paths.end());
    if (!table.is_changed())
      continue;
    catalog::TableChange change;
    change.table = model.table;
    // Rows of a table that only grows refer to nothing; the others' deletes are true of this snapshot only.
    change.operation =
        model.appends ? catalog::TableChange::Operation::append : catalog::TableChange::Operation::overwrite;
    if (!model.appends)
      change.base_snapshot_id = table.files.snapshot_id;
    change.added = table.added;
    change.added.insert(change.added.end(), table.added_deletes.begin(), table.added_deletes.end());
    if (table.rewritten_rows)
      change.removed_paths = table.files.paths();
    change.summary = {{"shoplake.live", "batch"}};
    changes.changes.push_back(std::move(change));
  }
  return changes;
}

Result<void> Models::run_view(engine::Session& session, const LiveView& view) {
  return session.execute(fmt::format("CREATE OR REPLACE TABLE {} AS {}", spelled(kBatchSchema, view.name), view.sql));
}

Result<void> Models::run_append(engine::Session& session, Table& table) {
  const LiveModel& model = *table.model;
  const std::string batch = spelled(kBatchSchema, model.name);
  const engine::ResultSet created = SHOPLAKE_TRY(session.query(
      fmt::format("CREATE OR REPLACE TABLE {} AS SELECT {} FROM ({}\n) AS batch", batch, model.casts, model.sql)));
  const std::int64_t rows = created.row_count() == 1 ? created.integer(0, 0) : 0;
  return rows == 0 ? Result<void>() : add_rows(session, table, batch);
}

// Says that the batch changes nothing of a model.
Result<void> Models::clear(engine::Session& session, Table& table) {
  if (table.is_clear)
    return {};
  for (const char* name : {"old_", "difference_"})
    SHOPLAKE_TRY(session.execute(fmt::format("DELETE FROM {}", spelled(kTickSchema, name + table.model->name))));
  table.is_clear = true;
  return {};
}

Result<void> Models::run_scoped(engine::Session& session, Table& table) {
  const LiveModel& model = *table.model;
  const std::string old = spelled(kTickSchema, "old_" + model.name);
  const std::string difference = spelled(kTickSchema, "difference_" + model.name);
  const bool rewrites = can_rewrite(table);
  if (!rewrites)
    SHOPLAKE_TRY(place_rows(session, table));
  // The scope is looked for in the hot rows once; `this`, the comparison and the deletes take what was found.
  const std::string columns =
      fmt::format("{}, {}, {}, rowid AS {}", model.columns, kFileColumn, kPositionColumn, kRowColumn);
  if (!SHOPLAKE_TRY(find_rows(session, table.scope, columns, old)))
    return clear(session, table);
  table.is_clear = false;
  for (const Read& read : table.reads) {
    if (!SHOPLAKE_TRY(find_rows(session, read.lookup, read.lookup.table->model->columns, read.relation)))
      SHOPLAKE_TRY(session.execute("DELETE FROM " + read.relation));
  }
  SHOPLAKE_TRY(session.execute(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1}, CAST(sum(_shoplake_sign) AS BIGINT) AS _shoplake_count, "
                  "list({4}) FILTER (_shoplake_sign < 0) AS _shoplake_rows FROM ("
                  "SELECT {2}, 1 AS _shoplake_sign, CAST(NULL AS BIGINT) AS {4} FROM ({3}\n) AS new_rows UNION ALL "
                  "SELECT {1}, -1, {4} FROM {5}) GROUP BY {1} HAVING sum(_shoplake_sign) <> 0",
                  difference, model.columns, model.casts, model.sql, kRowColumn, old)));
  const engine::ResultSet counts = SHOPLAKE_TRY(session.query(
      fmt::format("SELECT CAST(coalesce(-sum(_shoplake_count) FILTER (_shoplake_count < 0), 0) AS BIGINT), "
                  "CAST(coalesce(sum(_shoplake_count) FILTER (_shoplake_count > 0), 0) AS BIGINT) FROM {}",
                  difference)));
  const std::int64_t removed = counts.integer(0, 0), added = counts.integer(0, 1);
  if (rewrites && removed + added > 0)
    table.rewritten_rows = table.files.live_rows() - removed + added;
  if (removed > 0)
    SHOPLAKE_TRY(remove_rows(session, table));
  if (added == 0)
    return {};
  return add_rows(session, table,
                  fmt::format("(SELECT {0} FROM (SELECT {0}, unnest(range(_shoplake_count)) FROM {1} WHERE "
                              "_shoplake_count > 0))",
                              model.columns, difference));
}

// Whether all rows of a table are in memory, and few.
bool Models::can_rewrite(const Table& table) const {
  return table.model->partition_by.empty() && table.model->hot_days == 0 && table.cold.count() == 0 &&
         table.files.live_rows() <= rewritten_rows_max();
}

// Gives hot rows the places that they have in the one file that was written of them.
Result<void> Models::place_rows(engine::Session& session, Table& table) {
  if (table.is_placed)
    return {};
  if (!table.files.data.empty()) {
    SHOPLAKE_CHECK(table.files.data.size() == 1);
    SHOPLAKE_TRY(session.execute(fmt::format(
        "UPDATE {0} SET {1} = {2}, {3} = places.position FROM (SELECT rowid AS row_id, row_number() OVER "
        "(ORDER BY rowid) - 1 AS position FROM {0}) AS places WHERE {0}.rowid = places.row_id",
        spelled(kHotSchema, table.model->name), kFileColumn, table.files.data.begin()->first, kPositionColumn)));
  }
  table.is_placed = true;
  return {};
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

// The rows of a relation become hot rows, and a data file for each partition: write_files(). The engine gives them in
// the same order each time, so that both get the same places.
Result<void> Models::add_rows(engine::Session& session, Table& table, const std::string& added) {
  const LiveModel& model = *table.model;
  std::int32_t number = table.files.next_number;
  if (table.rewritten_rows) {
    return session.execute(fmt::format("INSERT INTO {} SELECT {}, {}, 0{} FROM {}", spelled(kHotSchema, model.name),
                                       model.columns, number, table.keys.values(), added));
  }
  for (const auto& values : SHOPLAKE_TRY(partitions_of(session, model, added))) {
    const std::string rows =
        values.empty() ? added : fmt::format("(SELECT * FROM {} WHERE {})", added, in_partition(model, values));
    if (model.is_hot) {
      SHOPLAKE_TRY(session.execute(fmt::format("INSERT INTO {} SELECT {}, {}, row_number() OVER () - 1{} FROM {}",
                                               spelled(kHotSchema, model.name), model.columns, number,
                                               table.keys.values(), rows)));
    }
    table.added_rows.push_back({number, fmt::format("SELECT {} FROM {}", model.columns, rows), values});
    ++number;
  }
  return {};
}

// The hot rows that the batch removes go, and become a position delete file for each partition: write_files().
Result<void> Models::remove_rows(engine::Session& session, Table& table) {
  const std::string& name = table.model->name;
  const std::string rows =
      fmt::format("SELECT unnest(_shoplake_rows[1 : -_shoplake_count]) FROM {} WHERE _shoplake_count < 0",
                  spelled(kTickSchema, "difference_" + name));
  const std::string hot = spelled(kHotSchema, name);
  if (table.rewritten_rows)
    return session.execute(fmt::format("DELETE FROM {} WHERE rowid IN ({})", hot, rows));
  const std::string removed = spelled(kTickSchema, "removed_" + name);
  SHOPLAKE_TRY(session.execute(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1}, {2}, {3} FROM {4} WHERE {3} IN ({5})", removed,
                  kFileColumn, kPositionColumn, kRowColumn, spelled(kTickSchema, "old_" + name), rows)));
  const engine::ResultSet counts =
      SHOPLAKE_TRY(session.query(fmt::format("SELECT {0}, count(*) FROM {1} GROUP BY {0}", kFileColumn, removed)));
  for (std::int64_t row = 0; row < counts.row_count(); ++row)
    table.removed_rows[static_cast<std::int32_t>(counts.integer(row, 0))] = counts.integer(row, 1);
  return session.execute(fmt::format("DELETE FROM {} WHERE rowid IN (SELECT {} FROM {})", hot, kRowColumn, removed));
}

// The files of what the batch adds to a table and removes from it.
Result<void> Models::write_files(engine::Session& session, Table& table) {
  const LiveModel& model = *table.model;
  io::Env& env = *options_.env;
  if (table.rewritten_rows) {
    table.is_placed = false;
    if (*table.rewritten_rows > 0) {
      table.added_rows.push_back(
          {table.files.next_number,
           fmt::format("SELECT {} FROM {} ORDER BY rowid", model.columns, spelled(kHotSchema, model.name)),
           {}});
    }
  }
  for (const AddedRows& rows : table.added_rows) {
    const std::string folder = partition_folder(model, rows.partition);
    if (!folder.empty())
      SHOPLAKE_TRY(env.create_directories(io::join_path(table.data_directory, folder)));
    table.paths.push_back(io::join_path(table.data_directory, folder + env.new_uuid() + ".parquet"));
    table.added.push_back(SHOPLAKE_TRY(copy_rows(env, session, rows.query, model.schema, table.paths.back())));
    table.added.back().partition = rows.partition;
    SHOPLAKE_CHECK(!table.rewritten_rows || table.added.back().record_count == *table.rewritten_rows);
  }
  // A delete file belongs to the partition of the files that it names.
  std::map<std::vector<transform::PartitionValue>, std::vector<std::string>> partitions;
  for (const auto& [number, count] : table.removed_rows) {
    const TableFiles::File& file = table.files.data.at(number);
    partitions[file.partition].push_back(numbered_path(number, file.path));
  }
  for (const auto& [values, files] : partitions) {
    const std::string folder = partition_folder(model, values);
    table.paths.push_back(io::join_path(table.data_directory, folder + env.new_uuid() + "-deletes.parquet"));
    table.added_deletes.push_back(SHOPLAKE_TRY(copy_position_deletes(
        env, session,
        fmt::format("SELECT files.path AS file_path, removed.{0} AS pos FROM {1} AS removed JOIN (VALUES {2}) AS "
                    "files(number, path) ON removed.{3} = files.number ORDER BY ALL",
                    kPositionColumn, spelled(kTickSchema, "removed_" + model.name), join(files, ", "), kFileColumn),
        table.paths.back())));
    table.added_deletes.back().partition = values;
  }
  return {};
}

void Models::accept(const std::vector<catalog::CommittedTable>& committed) {
  SHOPLAKE_CHECK(in_batch_);
  in_batch_ = false;
  for (auto& [name, table] : tables_) {
    const auto found = std::find_if(committed.begin(), committed.end(), [&](const catalog::CommittedTable& one) {
      return one.table == table.model->table;
    });
    if (found != committed.end() && table.is_changed())
      table.files.snapshot_id = found->snapshot_id;
    if (table.rewritten_rows) {
      table.files.data.clear();
      table.files.deletes.clear();
    }
    for (std::size_t index = 0; index < table.added.size(); ++index)
      SHOPLAKE_CHECK(table.files.add(table.added[index]) == table.added_rows[index].number);
    for (const transform::DataFile& file : table.added_deletes)
      table.files.add(file);
    for (const auto& [number, count] : table.removed_rows)
      table.files.data.at(number).deleted_rows += count;
    table.rewritten_rows.reset();
    table.paths.clear();
    table.added_rows.clear();
    table.added.clear();
    table.added_deletes.clear();
    table.removed_rows.clear();
  }
}

void Models::discard() {
  if (!in_batch_)
    return;
  in_batch_ = false;
  is_current_ = false;
  for (auto& [name, table] : tables_)
    remove_files(*options_.env, std::exchange(table.paths, {}));
}

}  // namespace shoplake::live
