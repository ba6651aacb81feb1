// Models: reading the project and the hot rows.
#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "live/models.h"
#include "live/models_schema.h"
#include "live/placed_rows.h"
#include "model/iceberg_type.h"

namespace shoplake::live {
namespace {

// Tables of the lake up to this size are read into memory once, larger ones from their files each time.
constexpr std::int64_t kLakeTableBytesInMemory = 16 << 20;
constexpr std::int64_t kColdRowsAtATime = 65'536;

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
  SHOPLAKE_TRY(database_->attach_scratch(kDatabase));
  SHOPLAKE_TRY(session_->execute(fmt::format("USE {}", kDatabase)));
  // Files are read once; the system keeps their pages anyway.
  SHOPLAKE_TRY(session_->execute("SET GLOBAL enable_external_file_cache = false"));
  // Not at every batch, which costs a fifth of it: trim() does it.
  SHOPLAKE_TRY(session_->execute("SET GLOBAL checkpoint_threshold = '1TB'"));
  for (const char* schema : {kSourceSchema, kBatchSchema, kNowSchema, kThisSchema, kReadSchema, kChangedSchema,
                             kLakeSchema, kHotSchema, kTickSchema})
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE SCHEMA {}", schema)));
  SHOPLAKE_TRY(plan_lookups());
  for (const LakeTable& table : plan_.lake_tables)
    SHOPLAKE_TRY(load_lake_table(table));
  for (const SourceTable& source : options_.sources)
    SHOPLAKE_TRY(load_source(source));
  for (const Plan::Step& step : plan_.steps) {
    if (step.model != nullptr) {
      SHOPLAKE_TRY(create_relations(tables_.at(step.model->name)).within(catalog::to_string(step.model->table)));
    } else if (step.view->is_batch) {
      SHOPLAKE_TRY(run_view(*session_, *step.view).within("live view " + step.view->name));  // of no rows
    } else {
      SHOPLAKE_TRY(
          session_->execute(fmt::format("CREATE VIEW {} AS {}", spelled(kNowSchema, step.view->name), step.view->sql)));
    }
  }
  SHOPLAKE_TRY(check_lookups());
  for (auto& [name, table] : tables_) {
    if (table.model->is_hot)
      SHOPLAKE_TRY(load_rows(table).within(catalog::to_string(table.model->table)));
  }
  SHOPLAKE_TRY(session_->execute(fmt::format("FORCE CHECKPOINT {}", kDatabase)));
  const std::size_t threads = options_.threads > 0
                                  ? static_cast<std::size_t>(options_.threads)
                                  : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kModelThreadsMax);
  while (helpers_.size() + 1 < threads)
    helpers_.push_back(SHOPLAKE_TRY(database_->connect()));
  for (const auto& helper : helpers_)
    SHOPLAKE_TRY(helper->execute(fmt::format("USE {}", kDatabase)));
  // The statements of a batch are small: handing their parts round costs more than it gives.
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

// ── lookups ───────────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Models::plan_lookups() {
  for (const auto& model : plan_.models)
    tables_.try_emplace(model->name, *model);
  for (auto& [name, table] : tables_) {
    if (table.model->appends)
      continue;
    table.scope = SHOPLAKE_TRY(plan_lookup(table, table.model->scope).within("scope of " + name));
    for (const LiveRead& read : table.model->reads) {
      Lookup lookup =
          SHOPLAKE_TRY(plan_lookup(tables_.at(read.model), read.where).within(fmt::format("reads of {}", name)));
      table.reads.push_back({std::move(lookup), spelled(kReadSchema, read.relation)});
    }
  }
  return {};
}

Result<Models::Lookup> Models::plan_lookup(Table& table, const std::string& where) {
  Lookup lookup{&table, where, {}};
  for (KeyTerm& term : SHOPLAKE_TRY(key_terms(*session_, where)))
    lookup.terms.push_back({std::move(term), nullptr});
  const auto has_columns = [&](const LookupTerm& term) { return table.keys.add(term.term.columns); };
  if (!std::all_of(lookup.terms.begin(), lookup.terms.end(), has_columns))
    lookup.terms.clear();
  return lookup;
}

// Which tables can have cold rows: those that are looked up by key and read in no other way.
Result<void> Models::check_lookups() {
  for (auto& [name, table] : tables_)
    table.has_cold = !table.model->appends && !table.model->is_read_whole;
  const auto check = [&](Lookup& lookup) -> Result<void> {
    if (!SHOPLAKE_TRY(check_lookup(lookup)))
      tables_.at(lookup.table->model->name).has_cold = false;
    return {};
  };
  for (auto& [name, table] : tables_) {
    if (table.model->appends)
      continue;
    SHOPLAKE_TRY(check(table.scope));
    for (Read& read : table.reads)
      SHOPLAKE_TRY(check(read.lookup));
  }
  for (auto& [name, table] : tables_) {
    share_keys(*table.model, table.scope);
    for (Read& read : table.reads)
      share_keys(*table.model, read.lookup);
    if (table.has_cold)
      table.cold = ColdRows(table.keys.count(), {options_.env, database_->spill_directory()});
  }
  return {};
}

// Whether rows are found by key. A query of keys that names columns of the row that it is asked about stands for
// nothing by itself.
Result<bool> Models::check_lookup(Lookup& lookup) {
  for (const LookupTerm& term : lookup.terms) {
    const auto checked = session_->query(fmt::format("SELECT * FROM ({}) LIMIT 0", lookup.table->keys.keys(term.term)));
    if (checked.ok())
      continue;
    base::log::info("live.no_key_lookup", {{"model", lookup.table->model->name}, {"reason", checked.error().message}});
    lookup.terms.clear();
    return false;
  }
  return !lookup.terms.empty();
}

// Lookups that ask for the same keys share them. What a model sees of itself is not what those after it see.
void Models::share_keys(const LiveModel& model, Lookup& lookup) {
  for (LookupTerm& term : lookup.terms) {
    const std::string query = lookup.table->keys.keys(term.term);
    const auto names = [&](const std::string& text) { return query.find(text) != std::string::npos; };
    const bool sees_itself = names(kNowSchema) || names(kThisSchema) || names(kReadSchema);
    const auto [keys, is_new] = key_sets_.try_emplace((sees_itself ? model.name : std::string()) + "\n" + query);
    if (is_new) {
      keys->second.query = query;
      keys->second.table = spelled(kTickSchema, fmt::format("keys_{}", key_sets_.size()));
    }
    term.keys = &keys->second;
  }
}

// ── tables and rows ───────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Models::create_relations(Table& table) {
  const LiveModel& model = *table.model;
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
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE VIEW {} AS SELECT {}, CAST(1 AS BIGINT) AS {} FROM {}", changed,
                                               model.columns, kChangeColumn, spelled(kBatchSchema, model.name))));
  if (!model.is_hot)
    return {};
  SHOPLAKE_TRY(
      session_->execute(fmt::format("CREATE TABLE {} ({}{} INTEGER, {} BIGINT{})", spelled(kHotSchema, model.name),
                                    columns, kFileColumn, kPositionColumn, table.keys.definitions())));
  SHOPLAKE_TRY(session_->execute(fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", spelled(kNowSchema, model.name),
                                             model.columns, spelled(kHotSchema, model.name))));
  if (!model.appends) {
    const std::string old = spelled(kTickSchema, "old_" + model.name);
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({}{} INTEGER, {} BIGINT, {} BIGINT)", old, columns,
                                               kFileColumn, kPositionColumn, kRowColumn)));
    SHOPLAKE_TRY(session_->execute(
        fmt::format("CREATE VIEW {} AS SELECT {} FROM {}", spelled(kThisSchema, model.name), model.columns, old)));
    const std::string difference = spelled(kTickSchema, "difference_" + model.name);
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} ({}, _shoplake_count BIGINT)", difference, bare)));
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE VIEW {} AS SELECT {}, _shoplake_count AS {} FROM {}", changed,
                                               model.columns, kChangeColumn, difference)));
  }
  for (const Read& read : table.reads)
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE TABLE {} AS SELECT {} FROM {} LIMIT 0", read.relation,
                                               read.lookup.table->model->columns,
                                               spelled(kHotSchema, read.lookup.table->model->name))));
  return {};
}

Result<void> Models::load_rows(Table& table) {
  const LiveModel& model = *table.model;
  if (table.files.data.empty())
    return {};
  std::vector<std::string> paths;
  for (const auto& [number, file] : table.files.data)
    paths.push_back(file.path);
  std::string where = "true";
  if (model.hot_days > 0) {
    const std::string day = engine::quote_identifier(model.day);
    // A day in the future is a clock that is wrong: it must not push the others out.
    const engine::ResultSet oldest = SHOPLAKE_TRY(session_->query(fmt::format(
        "SELECT max({0}) - {1} FROM read_parquet({2}, hive_partitioning = false, union_by_name = true) WHERE {0} <= "
        "CAST(make_timestamp({3}) AS DATE) + 1",
        day, model.hot_days - 1, engine::literal_list(paths), options_.env->now_micros())));
    if (const auto date = oldest.text(0, 0)) {
      table.oldest_day = fmt::format("CAST({} AS DATE)", engine::quote_literal(*date));
      where = fmt::format("({0} IS NULL OR {0} >= {1})", day, table.oldest_day);
    }
  }
  const bool is_small = table.files.live_rows() <= rewritten_rows_max();
  return table.has_cold && !is_small ? load_cold_rows(table, where) : load_hot_rows(table, where);
}

Result<void> Models::load_hot_rows(Table& table, const std::string& where) {
  const LiveModel& model = *table.model;
  std::vector<std::int32_t> numbers;
  for (const auto& [number, file] : table.files.data)
    numbers.push_back(number);
  return session_->execute(fmt::format("INSERT INTO {} SELECT {}, {}, {}{} FROM ({})", spelled(kHotSchema, model.name),
                                       model.columns, kFileColumn, kPositionColumn, table.keys.values(),
                                       placed_rows(model, table.files, numbers, where)));
}

Result<void> Models::load_cold_rows(Table& table, const std::string& where) {
  for (auto file = table.files.data.begin(); file != table.files.data.end();) {
    // As many files at a time as keep the answer small.
    std::vector<std::int32_t> numbers;
    for (std::int64_t rows = 0; file != table.files.data.end() && rows < kColdRowsAtATime; ++file) {
      numbers.push_back(file->first);
      rows += file->second.rows;
    }
    const engine::ResultSet listed = SHOPLAKE_TRY(
        session_->query(fmt::format("SELECT {}, {}{} FROM ({})", kFileColumn, kPositionColumn, table.keys.values(),
                                    placed_rows(*table.model, table.files, numbers, where))));
    SHOPLAKE_TRY(add_cold_rows(listed, table.keys.count(), table.cold));
  }
  return {};
}

}  // namespace shoplake::live
