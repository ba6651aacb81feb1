#include "live/models.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "live/parquet_copy.h"
#include "model/iceberg_type.h"

namespace shoplake::live {
namespace {

// One attached database holds everything, since a transaction of the engine writes to one only; it compresses its rows
// at each checkpoint.
constexpr const char* kDatabase = "live_rows";
constexpr const char* kHotSchema = "live_hot";      // hot rows with their places
constexpr const char* kFilesSchema = "live_files";  // numbers and paths
constexpr const char* kTickSchema = "live_tick";    // of the running batch
constexpr const char* kFileColumn = "_shoplake_file";
constexpr const char* kPositionColumn = "_shoplake_position";
constexpr const char* kRowColumn = "_shoplake_row";  // rowid of a hot row
// Tables of the lake up to this size are read into memory once, larger ones from their files each time.
constexpr std::int64_t kLakeTableBytesInMemory = 16 << 20;

std::string spelled(const char* schema, const std::string& name) {
  return engine::quote_identifier(schema) + "." + engine::quote_identifier(name);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : std::string(separator)) + part;
  return text;
}

// A counter of the current snapshot's summary.
std::int64_t summary_number(const catalog::Table& table, const std::string& name) {
  const auto current = table.metadata->current_snapshot_id();
  const nlohmann::json& document = table.metadata->document();
  if (!current || !document.contains("snapshots"))
    return 0;
  for (const nlohmann::json& snapshot : document["snapshots"]) {
    if (snapshot.value("snapshot-id", std::int64_t{0}) == *current)
      return std::strtoll(snapshot.value("summary", nlohmann::json::object()).value(name, std::string("0")).c_str(),
                          nullptr, 10);
  }
  return 0;
}

}  // namespace

Models::~Models() { discard(); }

Result<std::unique_ptr<Models>> Models::load(const ModelsOptions& options) {
  std::unique_ptr<Models> models(new Models(options));
  SHOPLAKE_TRY(models->open());
  return models;
}

Result<void> Models::open() {
  database_ = SHOPLAKE_TRY(engine::Database::open(options_.engine));
  session_ = SHOPLAKE_TRY(database_->connect());
  std::vector<catalog::TableIdentifier> sources;
  for (const SourceTable& source : options_.sources)
    sources.push_back(source.table);
  plan_ = SHOPLAKE_TRY(make_plan({options_.env, options_.catalog, options_.project, sources}, *session_));
  if (!plan_.missing.empty()) {
    std::string names;
    for (const catalog::TableIdentifier& table : plan_.missing)
      names += (names.empty() ? "" : ", ") + catalog::to_string(table);
    return base::make_error(base::ErrorKind::not_found, "live.missing_tables",
                            fmt::format("the live models need tables that do not exist yet: {}", names),
                            "Run `shoplake build`.");
  }
  SHOPLAKE_TRY(session_->execute(fmt::format("ATTACH ':memory:' AS {} (COMPRESS)", kDatabase)));
  SHOPLAKE_TRY(session_->execute(fmt::format("USE {}", kDatabase)));
  // Not at every batch, which costs a fifth of it: trim() does it.
  SHOPLAKE_TRY(session_->execute("SET GLOBAL checkpoint_threshold = '1TB'"));
  for (const char* schema : {kSourceSchema, kBatchSchema, kNowSchema, kThisSchema, kChangedSchema, kLakeSchema,
                             kHotSchema, kFilesSchema, kTickSchema})
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE SCHEMA {}", schema)));
  for (const LakeTable& table : plan_.lake_tables)
    SHOPLAKE_TRY(load_lake_table(table));
  for (const SourceTable& source : options_.sources)
    SHOPLAKE_TRY(load_source(source));
  for (const Plan::Step& step : plan_.steps) {
    if (step.model != nullptr) {
      SHOPLAKE_TRY(load_model(*step.model).within(catalog::to_string(step.model->table)));
    } else if (!step.view->is_batch) {
      SHOPLAKE_TRY(
          session_->execute(fmt::format("CREATE VIEW {} AS {}", spelled(kNowSchema, step.view->name), step.view->sql)));
    }
  }
  SHOPLAKE_TRY(session_->execute(fmt::format("FORCE CHECKPOINT {}", kDatabase)));
  // The statements of a batch are small: handing them round costs more than it gives.
  return session_->execute("SET GLOBAL threads = 1");
}

Result<void> Models::load_lake_table(const LakeTable& table) {
  const std::string name = spelled(kLakeSchema, table.name);
  if (table.is_view) {
    return base::make_error(base::ErrorKind::usage, "live.configuration",
                            fmt::format("a live model reads the view {}, which is not part of the project",
                                        catalog::to_string(table.table)),
                            "Make it a table, or a model of the project.");
  }
  const catalog::Table current = SHOPLAKE_TRY(options_.catalog->load_table(table.table));
  const bool small = summary_number(current, "total-files-size") <= kLakeTableBytesInMemory;
  return session_
      ->execute(fmt::format("CREATE {} {} AS SELECT * FROM iceberg_scan({})", small ? "TABLE" : "VIEW", name,
                            engine::quote_literal(current.metadata_location)))
      .within(catalog::to_string(table.table));
}

Result<void> Models::load_source(const SourceTable& source) {
  const catalog::Table current = SHOPLAKE_TRY(options_.catalog->load_table(source.table));
  const catalog::Schema& schema = current.metadata->current_schema();
  Source& shown = sources_[source.table];
  // A source without records in a batch is an empty relation with the table's columns.
  std::string columns;
  for (const catalog::Field& field : schema.fields)
    columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ", model::duckdb_type(field.type),
                           engine::quote_identifier(field.name));
  shown.empty = fmt::format("SELECT {} LIMIT 0", columns);
  const catalog::Field* time = schema.find(source.time_column);
  const catalog::Field* day = schema.find(source.day_column);
  SHOPLAKE_CHECK(time != nullptr && day != nullptr);
  const std::string moment = time->type.name == "long"
                                 ? engine::quote_identifier(time->name)
                                 : fmt::format("epoch_us({})", engine::quote_identifier(time->name));
  const std::string date = day->type.name == "date" ? engine::quote_identifier(day->name)
                                                    : fmt::format("CAST(strptime({}, '%Y%m%d') AS DATE)",
                                                                  engine::quote_identifier(day->name));
  // Days are the shop's, moments are UTC: there is a day's slack between them.
  shown.is_recent = moment + " >= {0} AND " + date + " >= CAST(make_timestamp({0}) AS DATE) - 1";
  return session_->execute(fmt::format("CREATE VIEW {} AS {}", spelled(kSourceSchema, source.table.name), shown.empty));
}

Result<void> Models::load_model(const LiveModel& model) {
  Table& table = tables_[model.name];
  table.model = &model;
  table.data_directory = SHOPLAKE_TRY(options_.catalog->data_location(model.table));
  const catalog::Table current = SHOPLAKE_TRY(options_.catalog->load_table(model.table));
  table.files = SHOPLAKE_TRY(list_table_files(*options_.catalog, current, *session_));
  std::string columns;
  for (const catalog::Field& field : model.schema.fields)
    columns += engine::quote_identifier(field.name) + " " + model::duckdb_type(field.type) + ", ";
  const std::string bare = columns.substr(0, columns.size() - 2);
  if (model.appends)
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({})", spelled(kBatchSchema, model.name), bare)));
  const std::string changed = spelled(kChangedSchema, "changed_" + model.name);
  if (model.appends && model.changes_read)
    SHOPLAKE_TRY(session_->execute(
        fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", changed, model.columns, spelled(kBatchSchema, model.name))));
  if (!model.is_hot)
    return {};
  SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({}{} INTEGER, {} BIGINT)",
                                             spelled(kHotSchema, model.name), columns, kFileColumn, kPositionColumn)));
  SHOPLAKE_TRY(session_->execute(fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", spelled(kNowSchema, model.name),
                                             model.columns, spelled(kHotSchema, model.name))));
  SHOPLAKE_TRY(session_->execute(
      fmt::format("CREATE TABLE {} (number INTEGER, path VARCHAR)", spelled(kFilesSchema, model.name))));
  if (!model.appends) {
    const std::string old = spelled(kTickSchema, "old_" + model.name);
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({}{} INTEGER, {} BIGINT, {} BIGINT)", old, columns,
                                               kFileColumn, kPositionColumn, kRowColumn)));
    SHOPLAKE_TRY(session_->execute(
        fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", spelled(kThisSchema, model.name), model.columns, old)));
    const std::string difference = spelled(kTickSchema, "difference_" + model.name);
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({})", difference, bare)));
    SHOPLAKE_TRY(
        session_->execute(fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", changed, model.columns, difference)));
  }
  return load_hot_rows(model, table);
}

Result<void> Models::load_hot_rows(const LiveModel& model, Table& table) {
  if (table.files.data.empty())
    return {};
  const std::string files_table = spelled(kFilesSchema, model.name);
  std::vector<std::string> paths, numbered, deletes;
  for (const auto& [number, file] : table.files.data) {
    paths.push_back(file.path);
    numbered.push_back(fmt::format("({}, {})", number, engine::quote_literal(file.path)));
  }
  for (const TableFiles::File& file : table.files.deletes)
    deletes.push_back(file.path);
  SHOPLAKE_TRY(session_->execute(fmt::format("INSERT INTO {} VALUES {}", files_table, join(numbered, ", "))));
  const std::string read = fmt::format(
      "read_parquet({}, hive_partitioning = false, union_by_name = true, filename = true, file_row_number = true)",
      path_list(paths));
  std::string where = "true";
  if (model.hot_days > 0) {
    const std::string day = engine::quote_identifier(model.day);
    // A day in the future is a clock that is wrong: it must not push the others out.
    where = fmt::format(
        "({0} IS NULL OR {0} > (SELECT max({0}) FROM {1} WHERE {0} <= CAST(make_timestamp({2}) AS DATE) + 1) - {3})",
        day, read, options_.env->now_micros(), model.hot_days);
  }
  if (!deletes.empty()) {
    where += fmt::format(
        " AND NOT EXISTS (SELECT 1 FROM read_parquet({}) AS deleted WHERE deleted.file_path = rows.filename AND "
        "deleted.pos = rows.file_row_number)",
        path_list(deletes));
  }
  return session_->execute(
      fmt::format("INSERT INTO {} SELECT {}, files.number, rows.file_row_number FROM {} AS rows JOIN {} AS files ON "
                  "rows.filename = "
                  "files.path WHERE {}",
                  spelled(kHotSchema, model.name), model.casts, read, files_table, where));
}

// ── a batch ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
      fmt::format("read_parquet({}, hive_partitioning = false, union_by_name = false)", path_list(files));
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

Result<void> Models::run_scoped(const LiveModel& model, Table& table) {
  const std::string old = spelled(kTickSchema, "old_" + model.name);
  const std::string difference = spelled(kTickSchema, "difference_" + model.name);
  // The scope is looked for in the hot rows once; `this`, the comparison and the deletes take what was found.
  // The columns of the scope say which rows; only these are then read in full, and row groups without any are passed.
  const std::string hot = spelled(kHotSchema, model.name);
  const std::string found = spelled(kTickSchema, "found");
  SHOPLAKE_TRY(session_->execute(fmt::format("CREATE OR REPLACE TABLE {} AS SELECT rowid AS {} FROM {} WHERE ({}\n)",
                                             found, kRowColumn, hot, model.scope)));
  const engine::ResultSet range = SHOPLAKE_TRY(
      session_->query(fmt::format("SELECT coalesce(min({0}), 0), coalesce(max({0}), -1) FROM {1}", kRowColumn, found)));
  SHOPLAKE_TRY(session_->execute(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1}, {2}, {3}, rowid AS {4} FROM {5} WHERE rowid BETWEEN {6} "
                  "AND {7} AND rowid IN (SELECT {4} FROM {8})",
                  old, model.columns, kFileColumn, kPositionColumn, kRowColumn, hot, range.integer(0, 0),
                  range.integer(0, 1), found)));
  const engine::ResultSet created = SHOPLAKE_TRY(session_->query(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1}, CAST(sum(_shoplake_sign) AS BIGINT) AS _shoplake_count, "
                  "list({4}) FILTER (_shoplake_sign < 0) AS _shoplake_rows FROM ("
                  "SELECT {2}, 1 AS _shoplake_sign, CAST(NULL AS BIGINT) AS {4} FROM ({3}\n) AS new_rows UNION ALL "
                  "SELECT {1}, -1, {4} FROM {5}) GROUP BY {1} HAVING sum(_shoplake_sign) <> 0",
                  difference, model.columns, model.casts, model.sql, kRowColumn, old)));
  if (created.row_count() != 1 || created.integer(0, 0) == 0)
    return {};
  const engine::ResultSet removed = SHOPLAKE_TRY(session_->query(fmt::format(
      "CREATE OR REPLACE TABLE {0} AS SELECT {1}, {2}, {3} FROM {4} WHERE {3} IN (SELECT unnest(_shoplake_rows[1 : "
      "-_shoplake_count]) FROM {5} WHERE _shoplake_count < 0)",
      spelled(kTickSchema, "removed"), kFileColumn, kPositionColumn, kRowColumn, old, difference)));
  if (removed.row_count() == 1 && removed.integer(0, 0) > 0)
    SHOPLAKE_TRY(write_deletes(model, table));
  const std::string added = spelled(kTickSchema, "added");
  const engine::ResultSet kept = SHOPLAKE_TRY(session_->query(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT {1} FROM (SELECT {1}, unnest(range(_shoplake_count)) FROM {2} "
                  "WHERE _shoplake_count > 0)",
                  added, model.columns, difference)));
  const bool any = kept.row_count() == 1 && kept.integer(0, 0) > 0;
  return any ? write_added(model, table, added) : Result<void>();
}

namespace {

std::string partition_folder(const LiveModel& model, const std::vector<transform::PartitionValue>& values) {
  std::string folder;
  for (std::size_t index = 0; index < values.size(); ++index)
    folder += model.partition_by[index] + "=" + values[index].value_or("null") + "/";
  return folder;
}

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

// The rows of a relation become a data file for each partition, and hot rows. The engine keeps the order of a table's
// rows, so that both get the same places.
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
      SHOPLAKE_TRY(session_->execute(fmt::format("INSERT INTO {} SELECT {}, {}, row_number() OVER () - 1 FROM {}",
                                                 spelled(kHotSchema, model.name), model.columns, number, rows)));
      SHOPLAKE_TRY(session_->execute(fmt::format("INSERT INTO {} VALUES ({}, {})", spelled(kFilesSchema, model.name),
                                                 number, engine::quote_literal(path))));
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
  for (const auto& [number, count] : table.removed_rows)
    partitions[table.files.data.at(number).partition].push_back(std::to_string(number));
  for (const auto& [values, numbers] : partitions) {
    const std::string folder = partition_folder(model, values);
    const std::string path =
        io::join_path(table.data_directory, folder + options_.env->new_uuid() + "-deletes.parquet");
    paths_.push_back(path);
    transform::DataFile file = SHOPLAKE_TRY(copy_position_deletes(
        *options_.env, *session_,
        fmt::format("SELECT files.path AS file_path, removed.{0} AS pos FROM {1} AS removed JOIN {2} AS files ON "
                    "removed.{3} = files.number WHERE removed.{3} IN ({4}) ORDER BY ALL",
                    kPositionColumn, removed, spelled(kFilesSchema, model.name), kFileColumn, join(numbers, ", ")),
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
  }
  for (auto& [name, source] : sources_)
    source.is_shown = true;
}

// ── compaction ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Models::Merge> Models::merge(const LiveModel& model, const std::vector<std::int32_t>& numbers) {
  SHOPLAKE_CHECK(!in_batch_ && !numbers.empty());
  Table& table = tables_.at(model.name);
  Merge merge;
  merge.model = &model;
  merge.merged = numbers;
  merge.change.table = model.table;
  merge.change.operation = catalog::TableChange::Operation::overwrite;
  merge.change.summary = {{"shoplake.live", "compaction"}};
  if (!model.appends)
    merge.change.base_snapshot_id = table.files.snapshot_id;
  std::vector<std::string> paths, deletes, numbered;
  for (const std::int32_t number : numbers) {
    const TableFiles::File& file = table.files.data.at(number);
    paths.push_back(file.path);
    numbered.push_back(fmt::format("({}, {})", number, engine::quote_literal(file.path)));
    merge.change.removed_paths.push_back(file.path);
  }
  for (const TableFiles::File& file : table.files.deletes)
    deletes.push_back(file.path);
  std::string query = fmt::format(
      "SELECT {}, files.number AS {}, rows.file_row_number AS {} FROM read_parquet({}, hive_partitioning = false, "
      "union_by_name = true, filename = true, file_row_number = true) AS rows JOIN (VALUES {}) AS files(number, path) "
      "ON "
      "rows.filename = files.path",
      model.casts, kFileColumn, kPositionColumn, path_list(paths), join(numbered, ", "));
  if (!deletes.empty())
    query += fmt::format(
        " WHERE NOT EXISTS (SELECT 1 FROM read_parquet({}) AS deleted WHERE deleted.file_path = rows.filename AND "
        "deleted.pos = rows.file_row_number)",
        path_list(deletes));
  const std::string merged = spelled(kTickSchema, "merged");
  const engine::ResultSet created = SHOPLAKE_TRY(session_->query(
      fmt::format("CREATE OR REPLACE TABLE {0} AS SELECT *, row_number() OVER (ORDER BY {1}, {2}) - 1 AS "
                  "_shoplake_new_position FROM ({3})",
                  merged, kFileColumn, kPositionColumn, query)));
  if (created.row_count() == 1 && created.integer(0, 0) > 0) {
    const auto& partition = table.files.data.at(numbers.front()).partition;
    const std::string path =
        io::join_path(table.data_directory, partition_folder(model, partition) + options_.env->new_uuid() + ".parquet");
    merge.paths.push_back(path);
    transform::DataFile file = SHOPLAKE_TRY(copy_rows(
        *options_.env, *session_,
        fmt::format("SELECT {} FROM {} ORDER BY _shoplake_new_position", model.columns, merged), model.schema, path));
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
                      path_list(deletes), join(kept, ", ")),
          path));
      merge.change.added.push_back(file);
      merge.files.push_back(std::move(file));
    }
  }
  return merge;
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
  const std::string files = spelled(kFilesSchema, model.name);
  const std::string list = join(numbers, ", ");
  SHOPLAKE_TRY(session_->execute("BEGIN TRANSACTION"));
  auto done = [&]() -> Result<void> {
    if (added) {
      SHOPLAKE_TRY(session_->execute(
          fmt::format("UPDATE {0} SET {1} = {2}, {3} = merged._shoplake_new_position FROM {4} AS merged WHERE "
                      "{0}.{1} = merged.{1} AND {0}.{3} = merged.{3} AND {0}.{1} IN ({5})",
                      hot, kFileColumn, *added, kPositionColumn, spelled(kTickSchema, "merged"), list)));
      SHOPLAKE_TRY(session_->execute(fmt::format("INSERT INTO {} VALUES ({}, {})", files, *added,
                                                 engine::quote_literal(table.files.data.at(*added).path))));
    }
    SHOPLAKE_TRY(session_->execute(fmt::format("DELETE FROM {} WHERE number IN ({})", files, list)));
    SHOPLAKE_TRY(session_->execute(fmt::format("DROP TABLE {}", spelled(kTickSchema, "merged"))));
    const engine::ResultSet left =
        SHOPLAKE_TRY(session_->query(fmt::format("SELECT count(*) FROM {} WHERE {} IN ({})", hot, kFileColumn, list)));
    SHOPLAKE_CHECK(left.integer(0, 0) == 0);
    return {};
  }();
  if (!done.ok()) {
    (void)session_->execute("ROLLBACK");
    return done;
  }
  return session_->execute("COMMIT");
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
  for (const auto& model : plan_.models) {
    if (model->is_hot && model->hot_days > 0)
      SHOPLAKE_TRY(session_->execute(fmt::format("DELETE FROM {} WHERE {} <= CAST({} AS DATE) - {}",
                                                 spelled(kHotSchema, model->name), engine::quote_identifier(model->day),
                                                 engine::quote_literal(newest), model->hot_days)));
  }
  return session_->execute(fmt::format("FORCE CHECKPOINT {}", kDatabase));
}

}  // namespace shoplake::live
