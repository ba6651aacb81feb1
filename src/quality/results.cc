#include "quality/results.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/duckdb_statistics.h"
#include "io/staged_folder.h"
#include "model/iceberg_type.h"

namespace shoplake::quality {
namespace {

using Json = nlohmann::ordered_json;

// How long readers that began before a merge may need the files it took the place of.
constexpr std::int64_t kRetiredFilesMicros = 600'000'000;
constexpr std::int64_t kDayMicros = 86'400'000'000;

struct Column {
  const char* name;
  const char* type;  // Iceberg's
  const char* doc;
};

constexpr Column kColumns[] = {
    {"run_id", "string", "One evaluation of rules; all its rows have the same id and time"},
    {"run_at", "timestamptz", "When the run began"},
    {"triggered_by", "string", "quality run, build or load"},
    {"table_name", "string", "The table whose rows were tested"},
    {"snapshot_id", "long", "The table's snapshot; null for rows that were not committed yet"},
    {"is_published", "boolean", "False where a block rule kept the rows from being published"},
    {"rule_name", "string", "The rule's name, unique for the table"},
    {"rule", "string", "The rule in DQDL"},
    {"severity", "string", "warn or block"},
    {"owner", "string", "The topic that failures go to"},
    {"outcome", "string", "pass, fail, error (it could not be evaluated), skipped (there was no earlier run)"},
    {"metric", "string", "What was measured, in DQDL's names"},
    {"value", "double", "Its value"},
    {"expected", "string", "What it was compared with"},
    {"message", "string", "Why it is no pass"},
    {"failed_rows", "long", "Rows that do not satisfy the rule, where it is about rows"},
    {"examples", "string", "JSON list of failing rows, without personal data"},
    {"metrics", "string", "JSON object of all values that were measured"},
    {"duration_ms", "double", "Time of the rule's own statements and its share of the common one"},
};

std::string row_sql(const Run& run, const TableRun& table, const RuleResult& result) {
  const auto text = [](std::string_view value) { return engine::quote_literal(value); };
  const auto integer = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string("NULL");
  };
  // What was measured on the rows of one load is no value of the table, which history() looks back at.
  Json metrics = Json::object();
  if (!result.rule.asks_new_rows) {
    for (const Metric& metric : result.metrics)
      metrics[metric.name] = metric.value;
  }
  Json examples = Json::array();
  for (const std::string& example : result.examples)
    examples.push_back(Json::parse(example, nullptr, false));
  const bool is_measured = !result.metrics.empty();
  return fmt::format("({}, make_timestamptz({}), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
                     text(run.id), run.at_micros, text(run.triggered_by), text(table.table), integer(table.snapshot_id),
                     table.is_published ? "true" : "false", text(result.rule.name), text(result.rule.text),
                     text(name(result.rule.severity)), text(result.rule.owner), text(name(result.outcome)),
                     is_measured ? text(result.metrics[0].name) : "NULL",
                     is_measured ? fmt::format("{}", result.metrics[0].value) : "NULL", text(result.expected),
                     text(result.message), integer(result.failed_rows),
                     text(examples.dump(-1, ' ', false, Json::error_handler_t::replace)),
                     text(metrics.dump(-1, ' ', false, Json::error_handler_t::replace)),
                     fmt::format("{}", static_cast<double>(result.micros) / 1000));
}

// The rows in the table's types.
std::string rows_sql(const Run& run) {
  std::string rows;
  for (const TableRun& table : run.tables) {
    for (const RuleResult& result : table.results)
      rows += (rows.empty() ? "" : ", ") + row_sql(run, table, result);
  }
  if (rows.empty())
    return rows;
  std::string names, casts;
  for (const Column& column : kColumns) {
    const std::string type = model::duckdb_type(catalog::Type::primitive(column.type));
    names += fmt::format("{}{}", names.empty() ? "" : ", ", column.name);
    casts += fmt::format("{0}CAST({1} AS {2}) AS {1}", casts.empty() ? "" : ", ", column.name, type);
  }
  return fmt::format("SELECT {} FROM (VALUES {}) AS results({})", casts, rows, names);
}

catalog::Schema schema_of_results() {
  catalog::Schema schema;
  for (const Column& column : kColumns)
    schema.fields.push_back({0, column.name, catalog::Type::primitive(column.type), false, column.doc});
  return schema;
}

// One Parquet file of a query's rows, durable.
Result<transform::DataFile> copy(io::Env& env, engine::Session& session, const std::string& query,
                                 const catalog::Schema& schema, const std::string& path) {
  const auto stage = SHOPLAKE_TRY(io::StagedFolder::open(env, io::parent_path(path)));
  const std::string staged = io::join_path(stage->directory(), io::file_name(path));
  const engine::ResultSet copied = SHOPLAKE_TRY(
      session.query(fmt::format("COPY ({}) TO {} (FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FIELD_IDS {})",
                                query, engine::quote_literal(staged), model::field_ids_option(schema))));
  std::vector<transform::DataFile> files = SHOPLAKE_TRY(catalog::data_files_from_copy(copied, schema, {}));
  SHOPLAKE_CHECK(files.size() == 1);
  SHOPLAKE_TRY(stage->publish({staged}));
  files[0].path = path;
  return std::move(files[0]);
}

}  // namespace

catalog::TableIdentifier ResultsTable::identifier() { return {catalog::Namespace{{"quality"}}, "results"}; }

// Creates the table if it is absent.
Result<catalog::Table> ResultsTable::open_table() {
  if (SHOPLAKE_TRY(catalog_.table_exists(identifier())))
    return catalog_.load_table(identifier());
  const auto unless_it_exists = [](const auto& done) -> Result<void> {
    if (!done.ok() && done.error().kind != base::ErrorKind::already_exists)
      return done.error();
    return {};
  };
  SHOPLAKE_TRY(unless_it_exists(catalog_.create_namespace(identifier().name_space, {})));
  catalog::CreateTable create;
  create.schema = schema_of_results();
  create.location = io::join_path(catalog_.options().lake_root, "quality/results");
  SHOPLAKE_TRY(unless_it_exists(catalog_.create_table(identifier(), create)));
  return catalog_.load_table(identifier());
}

Result<std::optional<catalog::TableChange>> ResultsTable::write(engine::Session& session, const Run& run) {
  const std::string rows = rows_sql(run);
  if (rows.empty())
    return std::optional<catalog::TableChange>();
  const catalog::Table table = SHOPLAKE_TRY(open_table());
  const std::string folder = SHOPLAKE_TRY(catalog_.data_location(identifier()));
  const std::string path = io::join_path(folder, env_.new_uuid() + ".parquet");
  catalog::TableChange change;
  change.table = identifier();
  change.added.push_back(SHOPLAKE_TRY(copy(env_, session, rows, table.metadata->current_schema(), path)));
  change.summary = {{"shoplake.quality-run", run.id}};
  return std::optional(std::move(change));
}

Result<void> ResultsTable::append(engine::Session& session, const Run& run) {
  const std::optional<catalog::TableChange> change = SHOPLAKE_TRY(write(session, run));
  if (!change)
    return {};
  SHOPLAKE_TRY(catalog_.commit(std::span(&*change, 1)));
  return maintain(session);
}

Result<void> ResultsTable::maintain(engine::Session& session) {
  const catalog::Table table = SHOPLAKE_TRY(open_table());
  const std::vector<transform::DataFile> files = SHOPLAKE_TRY(catalog_.list_files(table, {}, false));
  if (files.size() < kFilesBeforeMerge)
    return {};
  const std::string folder = SHOPLAKE_TRY(catalog_.data_location(identifier()));
  const std::string path = io::join_path(folder, env_.new_uuid() + ".parquet");
  const std::string rows = fmt::format(
      "SELECT * FROM iceberg_scan({}) WHERE run_at >= make_timestamptz({}) ORDER BY run_at, run_id, table_name",
      engine::quote_literal(table.metadata_location), env_.now_micros() - kRetentionDays * kDayMicros);
  transform::DataFile merged = SHOPLAKE_TRY(copy(env_, session, rows, table.metadata->current_schema(), path));
  catalog::TableChange change;
  change.table = identifier();
  change.operation = catalog::TableChange::Operation::overwrite;
  change.summary = {{"shoplake.quality-merge", std::to_string(files.size())}};
  for (const transform::DataFile& file : files)
    change.removed_paths.push_back(file.path);
  if (merged.record_count > 0)
    change.added.push_back(std::move(merged));
  const auto committed = catalog_.commit(std::span(&change, 1));
  if (!committed.ok()) {
    if (committed.error().kind == base::ErrorKind::unknown_outcome)
      return committed.error();
    (void)env_.remove_file(path);  // the files are as they were
    if (committed.error().kind == base::ErrorKind::conflict)
      return {};
    return committed.error();
  }
  if (change.added.empty())
    (void)env_.remove_file(path);
  catalog::Catalog::Expiry expiry;
  expiry.keep_last = kSnapshotsKept;
  expiry.older_than_ms = env_.now_micros() / 1000;
  expiry.retire_micros = kRetiredFilesMicros;
  SHOPLAKE_TRY(catalog_.expire_snapshots(identifier(), expiry));
  SHOPLAKE_TRY(catalog_.remove_retired_files());
  return {};
}

// SQL after FROM, of the table as it is now; no value where it does not exist or never had a row.
Result<std::optional<std::string>> ResultsTable::scan() {
  if (!SHOPLAKE_TRY(catalog_.table_exists(identifier())))
    return std::optional<std::string>();
  const catalog::Table table = SHOPLAKE_TRY(catalog_.load_table(identifier()));
  if (!table.metadata->current_snapshot_id())
    return std::optional<std::string>();
  return std::optional(fmt::format("iceberg_scan({})", engine::quote_literal(table.metadata_location)));
}

Result<std::vector<double>> ResultsTable::history(engine::Session& session, std::string_view table,
                                                  std::string_view metric, std::int64_t runs) {
  std::vector<double> values;
  const std::optional<std::string> from = SHOPLAKE_TRY(scan());
  if (!from)
    return values;
  // As the object's text has it: keys are found without reading each row as JSON.
  const std::string key = Json(std::string(metric)).dump(-1, ' ', false, Json::error_handler_t::replace) + ":";
  const engine::ResultSet rows = SHOPLAKE_TRY(session.query(fmt::format(
      "SELECT any_value(metrics) FROM {} WHERE table_name = {} AND is_published AND contains(metrics, {}) GROUP BY "
      "run_at, run_id ORDER BY run_at DESC, run_id DESC LIMIT {}",
      *from, engine::quote_literal(table), engine::quote_literal(key), runs)));
  for (std::int64_t row = 0; row < rows.row_count(); ++row) {
    const Json metrics = Json::parse(rows.text(row, 0).value_or(""), nullptr, false);
    if (metrics.is_object() && metrics.contains(metric) && metrics[std::string(metric)].is_number())
      values.push_back(metrics[std::string(metric)].get<double>());
  }
  return values;
}

Result<std::vector<StoredResult>> ResultsTable::read(engine::Session& session, const std::string& condition,
                                                     const std::string& order) {
  std::vector<StoredResult> results;
  const std::optional<std::string> from = SHOPLAKE_TRY(scan());
  if (!from)
    return results;
  const engine::ResultSet rows = SHOPLAKE_TRY(session.query(
      fmt::format("SELECT run_id, epoch_us(run_at), triggered_by, table_name, snapshot_id, is_published, rule_name, "
                  "rule, severity, "
                  "outcome, metric, value, expected, message, failed_rows, examples, duration_ms FROM {} {} {}",
                  *from, condition, order)));
  for (std::int64_t row = 0; row < rows.row_count(); ++row) {
    std::size_t column = 0;
    const auto text = [&] { return rows.text(row, column++).value_or(""); };
    const auto integer = [&]() -> std::optional<std::int64_t> {
      const bool is_null = rows.value(row, column).is_null();
      const std::int64_t value = rows.integer(row, column++);
      return is_null ? std::nullopt : std::optional(value);
    };
    const auto real = [&]() -> std::optional<double> {
      const engine::Value value = rows.value(row, column++);
      const auto* number = std::get_if<double>(&value.data);
      return number == nullptr ? std::nullopt : std::optional(*number);
    };
    StoredResult result;
    result.run_id = text();
    result.run_at_micros = integer().value_or(0);
    result.triggered_by = text();
    result.table = text();
    result.snapshot_id = integer();
    result.is_published = text() == "true";
    result.rule_name = text();
    result.rule = text();
    result.severity = text();
    result.outcome = text();
    result.metric = text();
    result.value = real();
    result.expected = text();
    result.message = text();
    result.failed_rows = integer();
    result.examples = text();
    result.duration_ms = real().value_or(0);
    results.push_back(std::move(result));
  }
  return results;
}

Result<std::vector<StoredResult>> ResultsTable::latest(engine::Session& session, std::string_view table) {
  const std::string condition =
      table.empty() ? std::string() : fmt::format("WHERE table_name = {}", engine::quote_literal(table));
  return read(session, condition,
              "QUALIFY row_number() OVER (PARTITION BY table_name, rule_name ORDER BY run_at DESC, run_id DESC) = 1 "
              "ORDER BY table_name, rule_name");
}

Result<std::vector<StoredResult>> ResultsTable::of_table(engine::Session& session, std::string_view table,
                                                         std::int64_t rows_max) {
  return read(session, fmt::format("WHERE table_name = {}", engine::quote_literal(table)),
              fmt::format("ORDER BY run_at DESC, run_id DESC, rule_name LIMIT {}", rows_max));
}

Result<std::vector<StoredResult>> ResultsTable::of_run(engine::Session& session, std::string_view run_id) {
  const std::string condition = fmt::format("WHERE starts_with(run_id, {})", engine::quote_literal(run_id));
  return read(session, condition,
              "QUALIFY dense_rank() OVER (ORDER BY run_at DESC, run_id DESC) = 1 ORDER BY table_name, rule_name");
}

}  // namespace shoplake::quality
