#include "live/dataset.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/arrow_interface.h"
#include "ingest/table_schema.h"
#include "live/parquet_copy.h"
#include "live/table_files.h"

namespace shoplake::live {
namespace {

// An event that says it is from further in the future has a wrong clock: it must not make the others late.
constexpr std::int64_t kFutureMicros = 24LL * 3600 * 1'000'000;
constexpr std::string_view kEventTimestamp = "event_timestamp";

std::optional<std::int64_t> micros_bound(const std::optional<std::string>& bound) {
  if (!bound || bound->size() != sizeof(std::int64_t))
    return std::nullopt;
  std::int64_t value = 0;
  std::memcpy(&value, bound->data(), sizeof(value));
  return value;
}

struct DigestHash {
  std::size_t operator()(const EventDigest& id) const { return static_cast<std::size_t>(id.high); }
};

// Rows (text, 64-bit integer) of a query, without keeping the answer in memory.
Result<void> for_each_event(engine::Session& session, const std::string& sql,
                            const std::function<void(std::string_view id, std::int64_t micros)>& take) {
  ArrowArrayStream stream{};
  SHOPLAKE_TRY(session.query_arrow(sql, &stream));
  struct Release {
    ArrowArrayStream& stream;
    ~Release() {
      if (stream.release != nullptr)
        stream.release(&stream);
    }
  } release{stream};
  while (true) {
    ArrowArray chunk{};
    if (stream.get_next(&stream, &chunk) != 0) {
      const char* message = stream.get_last_error(&stream);
      return base::make_error(base::ErrorKind::environment, "live.window",
                              std::string("the ids of the newest events cannot be read: ") +
                                  (message == nullptr ? "unknown reason" : message),
                              "");
    }
    if (chunk.release == nullptr)
      return {};
    SHOPLAKE_CHECK(chunk.n_children == 2);
    const ArrowArray& ids = *chunk.children[0];
    const ArrowArray& moments = *chunk.children[1];
    const auto* offsets = static_cast<const std::int32_t*>(ids.buffers[1]) + ids.offset;
    const auto* text = static_cast<const char*>(ids.buffers[2]);
    const auto* values = static_cast<const std::int64_t*>(moments.buffers[1]) + moments.offset;
    for (std::int64_t row = 0; row < chunk.length; ++row)
      take(std::string_view(text + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])),
           values[row]);
    chunk.release(&chunk);
  }
}

}  // namespace

Result<std::unique_ptr<Dataset>> Dataset::open(const DatasetOptions& options) {
  std::unique_ptr<Dataset> dataset(new Dataset(options));
  dataset->contract_ = SHOPLAKE_TRY(contract::load_contract(*options.env, options.datasets_directory, options.dataset));
  dataset->tables_ = SHOPLAKE_TRY(ingest::create_dataset_tables(*options.catalog, dataset->contract_));
  const contract::Field* time = dataset->contract_.partition_time();
  dataset->time_is_timestamp_ = time != nullptr;
  dataset->time_column_ = time != nullptr ? time->name : std::string(kEventTimestamp);
  if (dataset->contract_.find(dataset->time_column_) == nullptr) {
    return base::make_error(
        base::ErrorKind::usage, "live.no_event_time",
        fmt::format(
            "the dataset {} has no moment of an event: neither event_timestamp nor a partition that is the date "
            "of a timestamp",
            options.dataset),
        "Set `live: off` for its streams.");
  }
  return dataset;
}

SourceTable Dataset::source() const { return {tables_.table, time_column_, contract_.partition_by}; }

std::string Dataset::moment_literal(std::int64_t micros) const {
  return time_is_timestamp_ ? fmt::format("make_timestamptz({})", micros) : std::to_string(micros);
}

Result<void> Dataset::plan_layout() {
  if (layout_)
    return {};
  auto layouts = std::make_unique<Layouts>();
  catalog::Catalog& catalog = *options_.catalog;
  layouts->schema = SHOPLAKE_TRY(
      catalog.plan_evolved_schema(tables_.table, ingest::table_schema(transform::table_columns(contract_))));
  layouts->quarantine_schema = SHOPLAKE_TRY(
      catalog.plan_evolved_schema(tables_.quarantine, ingest::table_schema(transform::quarantine_columns())));
  layouts->layout = SHOPLAKE_TRY(transform::make_layout(contract_, ingest::field_ids(layouts->schema)));
  layouts->quarantine_layout = SHOPLAKE_TRY(
      transform::make_layout(transform::quarantine_columns(), ingest::field_ids(layouts->quarantine_schema)));
  layouts->data_directory = SHOPLAKE_TRY(catalog.data_location(tables_.table));
  layouts->quarantine_directory = SHOPLAKE_TRY(catalog.data_location(tables_.quarantine));
  layout_ = std::move(layouts);
  return {};
}

Dataset::TimedFile Dataset::timed(const transform::DataFile& file) const {
  TimedFile timed{file.record_count, std::nullopt, std::nullopt};
  for (const transform::ColumnStatistics& column : file.columns) {
    if (column.field_id == time_field_id_) {
      timed.first_micros = micros_bound(column.lower_bound);
      timed.last_micros = micros_bound(column.upper_bound);
    }
  }
  return timed;
}

Result<void> Dataset::list_files(const catalog::Table& table) {
  const catalog::Field* time = table.metadata->current_schema().find(time_column_);
  time_field_id_ = time == nullptr ? 0 : time->id;
  files_.clear();
  for (const transform::DataFile& file : SHOPLAKE_TRY(options_.catalog->list_files(table))) {
    if (file.content == transform::DataFile::Content::data)
      files_.emplace(file.path, timed(file));
  }
  metadata_location_ = table.metadata_location;
  return {};
}

// Adds the ids of the events of files.
Result<void> Dataset::see(const std::vector<std::string>& paths, engine::Session& session) {
  if (paths.empty() || contract_.event_identity == contract::EventIdentity::none)
    return {};
  const std::string id = engine::quote_identifier(std::string(contract_.event_id_column()));
  const std::string time = engine::quote_identifier(time_column_);
  return for_each_event(
      session,
      fmt::format("SELECT {0}, {1} FROM read_parquet({2}, hive_partitioning = false) WHERE {0} IS NOT NULL AND {3} IS "
                  "NOT NULL",
                  id, time_is_timestamp_ ? fmt::format("epoch_us({})", time) : time, path_list(paths), time),
      [this](std::string_view event, std::int64_t micros) { seen_.add(event_digest(event), micros); });
}

Result<void> Dataset::load(engine::Session& session) {
  seen_ = SeenEvents(options_.window_events_max);
  newest_micros_ = 0;
  layout_.reset();
  SHOPLAKE_TRY(list_files(SHOPLAKE_TRY(options_.catalog->load_table(tables_.table))));
  constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();
  std::vector<std::pair<std::int64_t, std::string>> newest_first;
  const std::int64_t latest = options_.env->now_micros() + kFutureMicros;
  for (const auto& [path, file] : files_) {
    newest_first.emplace_back(file.last_micros.value_or(kNoBound), path);
    newest_micros_ = std::max(newest_micros_, std::min(file.last_micros.value_or(0), latest));
  }
  std::sort(newest_first.rbegin(), newest_first.rend());
  // Whole files, as many as there is room for: what is in the others is not later than their last event.
  std::vector<std::string> paths;
  std::int64_t rows = 0;
  for (const auto& [last, path] : newest_first) {
    if (rows + files_.at(path).rows > static_cast<std::int64_t>(options_.window_events_max)) {
      seen_.raise_begin(last == kNoBound ? last : last + 1);
      break;
    }
    rows += files_.at(path).rows;
    paths.push_back(path);
  }
  return see(paths, session);
}

// Somebody else may have added to the table since: a load, another engine, a compaction.
Result<void> Dataset::follow_table(engine::Session& session) {
  const catalog::Table table = SHOPLAKE_TRY(options_.catalog->load_table(tables_.table));
  if (table.metadata_location == metadata_location_)
    return {};
  const std::map<std::string, TimedFile> before = std::exchange(files_, {});
  SHOPLAKE_TRY(list_files(table));
  layout_.reset();
  std::vector<std::string> paths;
  for (const auto& [path, file] : files_) {
    if (!before.contains(path) && file.last_micros.value_or(seen_.begin_micros()) >= seen_.begin_micros())
      paths.push_back(path);
  }
  return see(paths, session);
}

// ── a batch ───────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Transformed> Dataset::transform_once(const TransformRequest& request, const std::set<std::string>& known,
                                            Suspects& suspects) {
  Transformed all;
  std::unordered_set<EventDigest, DigestHash> in_batch;
  const std::int64_t latest = request.now_micros + kFutureMicros;
  const auto filter = [&](const transform::EventKey& key) {
    const EventDigest id = event_digest(key.event_id);
    if (seen_.contains(id) || (!known.empty() && known.contains(std::string(key.event_id))) ||
        !in_batch.insert(id).second)
      return false;
    if (key.timestamp < seen_.begin_micros())
      suspects.moments.push_back(key.timestamp);
    all.events.push_back({id, key.timestamp});
    if (key.timestamp <= latest)
      all.newest_micros = std::max(all.newest_micros, key.timestamp);
    return true;
  };
  for (const Records& records : request.records) {
    transform::TransformOptions options;
    options.env = options_.env;
    options.contract = &contract_;
    options.layout = &layout_->layout;
    options.quarantine_layout = &layout_->quarantine_layout;
    options.data_directory = layout_->data_directory;
    options.quarantine_directory = layout_->quarantine_directory;
    options.source_object = records.source_object;
    options.ingested_at_micros = request.now_micros;
    options.stop = request.stop;
    auto result = transform::transform(std::span<const transform::LogRecord>(records.records), filter, options);
    if (!result.ok()) {
      discard(all);
      return std::move(result).error();
    }
    all.files.insert(all.files.end(), result->files.begin(), result->files.end());
    auto& rejected = request.keeps_rejected ? all.quarantine_files : all.rejected_files;
    rejected.insert(rejected.end(), result->quarantine_files.begin(), result->quarantine_files.end());
    all.rows += static_cast<std::uint64_t>(result->rows);
    all.rejected += static_cast<std::uint64_t>(result->rejected);
    all.duplicates += static_cast<std::uint64_t>(result->duplicates);
    for (const auto& [reason, count] : result->rejected_by_reason)
      all.rejected_by_reason[reason] += count;
  }
  return all;
}

// Of the batch's events that are older than what memory holds: those that the table has. Only files that may hold
// events of just these moments are read, and of them only what is within their span.
Result<std::set<std::string>> Dataset::known_events(engine::Session& session, const Transformed& transformed,
                                                    Suspects& suspects) {
  std::set<std::string> known;
  std::sort(suspects.moments.begin(), suspects.moments.end());
  std::vector<std::string> candidates;
  for (const auto& [path, file] : files_) {
    const auto first = std::lower_bound(suspects.moments.begin(), suspects.moments.end(),
                                        file.first_micros.value_or(std::numeric_limits<std::int64_t>::min()));
    if (first != suspects.moments.end() &&
        *first <= file.last_micros.value_or(std::numeric_limits<std::int64_t>::max()))
      candidates.push_back(path);
  }
  if (candidates.empty())
    return known;
  std::vector<std::string> batch;
  for (const transform::DataFile& file : transformed.files)
    batch.push_back(file.path);
  const std::string id = engine::quote_identifier(std::string(contract_.event_id_column()));
  const std::string time = engine::quote_identifier(time_column_);
  const std::string span = fmt::format("{} BETWEEN {} AND {}", time, moment_literal(suspects.moments.front()),
                                       moment_literal(suspects.moments.back()));
  const engine::ResultSet found = SHOPLAKE_TRY(session.query(fmt::format(
      "SELECT {0} FROM read_parquet({1}, hive_partitioning = false) AS batch WHERE {2} AND {0} IN (SELECT {0} "
      "FROM read_parquet({3}, hive_partitioning = false) WHERE {2})",
      id, path_list(batch), span, path_list(candidates))));
  for (std::int64_t row = 0; row < found.row_count(); ++row)
    known.insert(found.text(row, 0).value_or(""));
  return known;
}

Result<Transformed> Dataset::transform(const TransformRequest& request, engine::Session& session) {
  SHOPLAKE_TRY(follow_table(session));
  SHOPLAKE_TRY(plan_layout());
  Suspects suspects;
  Transformed transformed = SHOPLAKE_TRY(transform_once(request, {}, suspects));
  if (suspects.moments.empty())
    return transformed;
  auto known = known_events(session, transformed, suspects);
  if (!known.ok()) {
    discard(transformed);
    return std::move(known).error();
  }
  if (known->empty())
    return transformed;
  // Seldom, except in a replay: the files are written again without them.
  discard(transformed);
  Suspects again;
  return transform_once(request, *known, again);
}

void Dataset::discard(const Transformed& transformed) {
  for (const auto* files : {&transformed.files, &transformed.quarantine_files, &transformed.rejected_files}) {
    for (const transform::DataFile& file : *files)
      (void)options_.env->remove_file(file.path);
  }
}

std::vector<catalog::TableChange> Dataset::changes(const Transformed& transformed) const {
  std::vector<catalog::TableChange> changes;
  const auto add = [&](const catalog::TableIdentifier& table, const std::vector<transform::DataFile>& files,
                       const catalog::Schema& planned, std::vector<std::string> partition_by) {
    if (files.empty())
      return;
    catalog::TableChange change;
    change.table = table;
    change.added = files;
    change.summary = {{"shoplake.live", "batch"}};
    change.create = catalog::CreateTable{planned, std::move(partition_by), {}, std::nullopt};
    change.evolve_to = planned;
    changes.push_back(std::move(change));
  };
  if (layout_) {
    add(tables_.table, transformed.files, layout_->schema, {contract_.partition_by});
    add(tables_.quarantine, transformed.quarantine_files, layout_->quarantine_schema, {});
  }
  return changes;
}

void Dataset::accept(const Transformed& transformed, const std::vector<catalog::CommittedTable>& committed) {
  for (const Transformed::Event& event : transformed.events)
    seen_.add(event.id, event.micros);
  newest_micros_ = std::max(newest_micros_, transformed.newest_micros);
  for (const transform::DataFile& file : transformed.rejected_files)
    (void)options_.env->remove_file(file.path);
  for (const transform::DataFile& file : transformed.files)
    files_.insert_or_assign(file.path, timed(file));
  for (const catalog::CommittedTable& one : committed) {
    if (one.table == tables_.table)
      follow_commit(one);
  }
}

// If the commit came right after what is known, it is known; otherwise the next batch looks at the table.
void Dataset::follow_commit(const catalog::CommittedTable& committed) {
  const auto table = options_.catalog->load_table(tables_.table);
  if (!table.ok() || table->metadata_location != committed.metadata_location)
    return;
  const nlohmann::json& document = table->metadata->document();
  const auto log = document.find("metadata-log");
  if (log != document.end() && !log->empty() && log->back().value("metadata-file", std::string()) == metadata_location_)
    metadata_location_ = committed.metadata_location;
}

void Dataset::merged(const catalog::TableChange& change, const catalog::CommittedTable& committed) {
  for (const std::string& path : change.removed_paths)
    files_.erase(path);
  for (const transform::DataFile& file : change.added)
    files_.insert_or_assign(file.path, timed(file));
  follow_commit(committed);
}

}  // namespace shoplake::live
