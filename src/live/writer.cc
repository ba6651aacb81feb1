#include "live/writer.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "io/sync_files.h"
#include "live/models_behind.h"
#include "live/parquet_copy.h"

namespace shoplake::live {
namespace {

constexpr int kConflictsMax = 5;
// An environment that fails (a full disk) fails the batch; what fails so often in a row only in the models is theirs.
constexpr int kModelFailuresMax = 5;
constexpr std::uint64_t kSmallMemoryBytes = 96 << 20;
constexpr std::int64_t kMeasureMicros = 5'000'000;
constexpr std::size_t kFeedEvents = 20;
constexpr const char* kFeedModel = "fact_events";

}  // namespace

Writer::~Writer() {
  on_forget_ = nullptr;
  forget();
}

void Writer::forget() {
  loaded_ = false;
  if (on_forget_)
    on_forget_();
  models_.reset();
  datasets_.clear();
  session_.reset();
  database_.reset();
}

Dataset* Writer::dataset(const std::string& name) {
  const auto found = datasets_.find(name);
  return found == datasets_.end() ? nullptr : found->second.get();
}

Result<void> Writer::load(bool* needs_build, Load what) {
  forget();
  loads_ = what;
  ++generation_;
  *needs_build = false;
  engine::DatabaseOptions engine = options_.engine;
  engine.memory_limit_bytes =
      engine.memory_limit_bytes == 0 ? kSmallMemoryBytes : std::min(engine.memory_limit_bytes, kSmallMemoryBytes);
  engine.returns_memory = true;
  engine.threads = 1;  // it copies beside the batches; with more, a copy holds several batches of wide rows
  database_ = SHOPLAKE_TRY(engine::Database::open(engine));
  session_ = SHOPLAKE_TRY(database_->connect());
  SHOPLAKE_TRY(session_->execute("SET GLOBAL enable_external_file_cache = false"));  // files are read once
  ModelsOptions models;
  for (const Stream& stream : options_.streams) {
    if (datasets_.contains(stream.dataset))
      continue;
    auto dataset = SHOPLAKE_TRY(Dataset::open({options_.env, options_.catalog, options_.datasets_directory,
                                               stream.dataset, options_.window_events_max, options_.hash_key})
                                    .within("stream " + stream.name));
    SHOPLAKE_TRY(dataset->load(*session_).within("dataset " + stream.dataset));
    models.sources.push_back(dataset->source());
    datasets_.emplace(stream.dataset, std::move(dataset));
  }
  model_failures_ = 0;
  loaded_ = true;
  if (what == Load::without_models)
    return {};
  models.env = options_.env;
  models.catalog = options_.catalog;
  models.engine = options_.engine;
  models.engine.returns_memory = true;
  models.project = options_.project;
  models.hot_rows_max = options_.hot_rows_max;
  models.threads = options_.model_threads;
  auto loaded = Models::load(models);
  if (loaded.ok()) {
    models_ = std::move(loaded).value();
    board_.set_current();
  } else if (loaded.error().code == "live.missing_tables") {
    *needs_build = true;
    needed_ = loaded.error().message;
  } else {
    board_.set_stale(loaded.error().message);
  }
  return {};
}

namespace {

// What an engine's tables and operators take. An engine that does not say takes nothing.
std::int64_t engine_bytes(engine::Session& session) {
  const auto answer = session.query("SELECT CAST(sum(memory_usage_bytes) AS BIGINT) FROM duckdb_memory()");
  return answer.ok() ? answer->integer(0, 0) : 0;
}

}  // namespace

void Writer::measure_memory() {
  const std::int64_t now = options_.env->monotonic_micros();
  if (!loaded_ || now - measured_at_micros_ < kMeasureMicros)
    return;
  measured_at_micros_ = now;
  std::int64_t ids = 0;
  for (const auto& [name, dataset] : datasets_)
    ids += static_cast<std::int64_t>(dataset->ids_bytes());
  board_.memory("event_ids", ids);
  board_.memory("engine", engine_bytes(*session_));
  board_.memory("models_engine", models_ ? engine_bytes(models_->session()) : 0);
  board_.memory("cold_rows", models_ ? static_cast<std::int64_t>(models_->cold_bytes()) : 0);
}

std::int64_t Writer::newest_micros() const {
  std::int64_t newest = 0;
  for (const auto& [name, dataset] : datasets_)
    newest = std::max(newest, dataset->newest_micros());
  return newest;
}

std::string Writer::newest_day() const {
  const std::time_t seconds = static_cast<std::time_t>(newest_micros() / 1'000'000);
  std::tm day{};
  gmtime_r(&seconds, &day);
  return fmt::format("{:04}-{:02}-{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

Result<Writer::Outcome> Writer::write(const Batch& batch) {
  for (int attempt = 1;; ++attempt) {
    SHOPLAKE_CHECK(loaded_);
    auto outcome = try_write(batch);
    if (outcome.ok())
      return outcome;
    const base::Error error = outcome.error();
    // What is in memory may not be what the tables hold.
    const bool again = error.kind == base::ErrorKind::conflict && error.code != "wal.consumer_moved";
    if (!again || attempt >= kConflictsMax) {
      forget();
      return error;
    }
    base::log::warning("live.conflict", {{"reason", error.message}, {"attempt", attempt}});
    bool needs_build = false;
    SHOPLAKE_TRY(load(&needs_build, loads_));
  }
}

Result<std::optional<ModelChanges>> Writer::run_models(const std::map<std::string, Transformed>& transformed,
                                                       Outcome& outcome) {
  outcome.models_current = models_ != nullptr;
  if (!models_ || models_->empty())
    return std::optional<ModelChanges>();
  Models::Batch batch;
  std::int64_t newest = newest_micros();
  bool any = false;
  for (const auto& [name, one] : transformed) {
    newest = std::max(newest, one.newest_micros);
    std::vector<std::string> paths;
    for (const transform::DataFile& file : one.files)
      paths.push_back(file.path);
    any = any || !paths.empty();
    batch.files.emplace(datasets_.at(name)->tables().table, std::move(paths));
  }
  if (!any)
    return std::optional<ModelChanges>();
  batch.oldest_micros = newest - models_->plan().late_hours * 3600 * 1'000'000;
  const std::int64_t begin = options_.env->monotonic_micros();
  auto changes = models_->run(batch);
  board_.part_done("models", options_.env->monotonic_micros() - begin);
  if (changes.ok()) {
    model_failures_ = 0;
    outcome.late = static_cast<std::uint64_t>(models_->late_rows());
    return std::optional<ModelChanges>(std::move(changes).value());
  }
  const base::Error& error = changes.error();
  const bool is_environment = error.kind == base::ErrorKind::environment && error.code != "engine.out_of_memory";
  if (is_environment && ++model_failures_ < kModelFailuresMax)
    return error;
  // Their rows are read again after the next build.
  models_.reset();
  board_.set_stale(error.message);
  outcome.models_current = false;
  return std::optional<ModelChanges>();
}

Result<Writer::Outcome> Writer::try_write(const Batch& batch) {
  Outcome outcome;
  std::map<std::string, Transformed> transformed;
  bool ran_models = false;
  const auto discard = [&] {
    for (const auto& [name, one] : transformed)
      datasets_.at(name)->discard(one);
    if (models_)
      models_->discard();
  };
  auto done = [&]() -> Result<std::vector<catalog::CommittedTable>> {
    std::vector<catalog::TableChange> changes = batch.changes;
    const std::int64_t transform_begin = options_.env->monotonic_micros();
    if (batch.transform)
      SHOPLAKE_TRY(batch.transform(transformed, changes));
    for (const auto& [name, records] : batch.records) {
      Dataset::TransformRequest request{records, options_.env->now_micros(), batch.keeps_rejected, batch.stop};
      transformed.emplace(name, SHOPLAKE_TRY(datasets_.at(name)->transform(request, *session_)));
    }
    board_.part_done("transform", options_.env->monotonic_micros() - transform_begin);
    for (const auto& [name, one] : transformed) {
      const Dataset& dataset = *datasets_.at(name);
      outcome.accepted += one.rows;
      outcome.duplicates += one.duplicates;
      outcome.rejected += one.rejected;
      if (batch.on_transformed)
        SHOPLAKE_TRY(batch.on_transformed(dataset, one, changes));
      for (catalog::TableChange& change : dataset.changes(one))
        changes.push_back(std::move(change));
    }
    std::optional<ModelChanges> models = SHOPLAKE_TRY(run_models(transformed, outcome));
    ran_models = models.has_value();
    if (models) {
      const std::int64_t begin = options_.env->monotonic_micros();
      SHOPLAKE_TRY(io::sync_files(*options_.env, models->paths));
      board_.part_done("sync", options_.env->monotonic_micros() - begin);
      for (catalog::TableChange& change : models->changes)
        changes.push_back(std::move(change));
    }
    if (!changes.empty()) {
      const std::int64_t begin = options_.env->monotonic_micros();
      const bool leaves_models_behind = !outcome.models_current && outcome.accepted > 0;
      const auto also = [&](io::Database& database) -> Result<void> {
        if (leaves_models_behind)
          SHOPLAKE_TRY(add_models_behind(database));
        return batch.also ? batch.also(database) : Result<void>();
      };
      auto committed = options_.catalog->commit(changes, also);
      board_.part_done("commit", options_.env->monotonic_micros() - begin);
      return committed;
    }
    if (batch.also) {
      const auto control_plane = SHOPLAKE_TRY(options_.catalog->open_control_plane());
      io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane));
      SHOPLAKE_TRY(batch.also(*control_plane));
      SHOPLAKE_TRY(transaction.commit());
    }
    return std::vector<catalog::CommittedTable>();
  }();
  if (!done.ok()) {
    // An unknown outcome may have been a commit: then the files belong to the tables.
    if (done.error().kind != base::ErrorKind::unknown_outcome)
      discard();
    return std::move(done).error();
  }
  outcome.committed = std::move(done).value();
  for (const auto& [name, one] : transformed) {
    datasets_.at(name)->accept(one, outcome.committed);
    for (const auto& [reason, count] : one.rejected_by_reason)
      board_.rejected(name, reason, count);
  }
  if (ran_models)
    models_->accept(outcome.committed);
  return outcome;
}

void Writer::merged(const catalog::TableIdentifier& table, const catalog::TableChange& change,
                    const catalog::CommittedTable& committed) {
  for (const auto& [name, dataset] : datasets_) {
    if (dataset->tables().table == table)
      dataset->merged(change, committed);
  }
  if (models_)
    models_->merged(table, change, committed);
}

std::vector<event::FeedEvent> Writer::newest_events() {
  std::vector<event::FeedEvent> events;
  if (!models_)
    return events;
  const auto found = std::find_if(models_->plan().models.begin(), models_->plan().models.end(),
                                  [](const auto& model) { return model->appends && model->name == kFeedModel; });
  if (found == models_->plan().models.end())
    return events;
  const auto column = [&](const char* name) {
    return (*found)->schema.find(name) != nullptr ? engine::quote_identifier(name) : std::string("NULL");
  };
  const auto rows = models_->session().query(
      fmt::format("SELECT {}, {}, {}, {}, {}, {}, {} FROM {}.{} ORDER BY 1 DESC, {} LIMIT {}",
                  column("event_timestamp"), column("source_object"), column("event_name"), column("page_location"),
                  column("event_source"), column("user_pseudo_id"), column("event_value_in_usd"), kBatchSchema,
                  engine::quote_identifier(kFeedModel), column("event_id"), kFeedEvents));
  if (!rows.ok())
    return events;  // a feed without news is better than no step
  for (std::int64_t row = 0; row < rows->row_count(); ++row) {
    event::FeedEvent event;
    event.at_micros = rows->integer(row, 0);
    event.stream = std::string(io::file_name(rows->text(row, 1).value_or("")));
    event.name = rows->text(row, 2).value_or("");
    event.page = rows->text(row, 3).value_or("");
    event.source = rows->text(row, 4).value_or("");
    event.user = rows->text(row, 5).value_or("");
    const engine::Value value = rows->value(row, 6);
    if (const double* number = std::get_if<double>(&value.data))
      event.value = *number;
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace shoplake::live
