#include "live/dataset.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/single_value.h"
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
  return catalog::decode_long(*bound);
}

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
  dataset->contract_.hash_key = options.hash_key;
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
  if (dataset->contract_.partitioning.columns.size() != 1) {
    return base::make_error(base::ErrorKind::usage, "live.no_partition",
                            fmt::format("the dataset {} is not divided by one column, its day", options.dataset),
                            "Set `live: off` for its streams, or let partition_by name the day.");
  }
  return dataset;
}

SourceTable Dataset::source() const { return {tables_.table, time_column_, contract_.partitioning.columns.front()}; }

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
                  id, time_is_timestamp_ ? fmt::format("epoch_us({})", time) : time, engine::literal_list(paths), time),
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

void Transformed::add(Transformed other) {
  const auto append = [](auto& to, auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(files, other.files);
  append(quarantine_files, other.quarantine_files);
  append(rejected_files, other.rejected_files);
  append(unsure_micros, other.unsure_micros);
  rows += other.rows;
  rejected += other.rejected;
  duplicates += other.duplicates;
  for (const auto& [reason, count] : other.rejected_by_reason)
    rejected_by_reason[reason] += count;
  newest_micros = std::max(newest_micros, other.newest_micros);
  events.add_all(other.events);
}

Dataset::Part::Part(const Dataset& dataset, Options options)
    : dataset_(dataset), options_(std::move(options)), latest_micros_(options_.now_micros + kFutureMicros) {}

Dataset::Part::~Part() { dataset_.discard(result_); }

bool Dataset::Part::takes(const transform::EventKey& key) {
  const EventDigest id = event_digest(key.event_id);
  const auto has = [&](const SeenEvents* others) { return others->contains(id); };
  if (dataset_.seen_.contains(id) || std::any_of(options_.others.begin(), options_.others.end(), has) ||
      !result_.events.add(id, key.timestamp))
    return false;
  if (key.timestamp < dataset_.seen_.begin_micros())
    result_.unsure_micros.push_back(key.timestamp);
  if (key.timestamp <= latest_micros_)
    result_.newest_micros = std::max(result_.newest_micros, key.timestamp);
  return true;
}

Result<void> Dataset::Part::add(const std::string& source_object, std::span<const transform::LogRecord> records) {
  auto& open = open_[source_object];
  if (!open) {
    const Layouts& layouts = *dataset_.layout_;
    transform::TransformOptions options;
    options.env = dataset_.options_.env;
    options.contract = &dataset_.contract_;
    options.layout = &layouts.layout;
    options.quarantine_layout = &layouts.quarantine_layout;
    options.data_directory = layouts.data_directory;
    options.quarantine_directory = layouts.quarantine_directory;
    options.source_object = source_object;
    options.ingested_at_micros = options_.now_micros;
    options.stop = options_.stop;
    open = std::make_unique<transform::LogTransform>([this](const transform::EventKey& key) { return takes(key); },
                                                     std::move(options));
  }
  return open->add(records);
}

Result<void> Dataset::Part::end(const std::string& source_object) {
  const auto found = open_.find(source_object);
  if (found == open_.end())
    return {};
  auto finished = found->second->finish();
  open_.erase(found);
  const transform::TransformResult result = SHOPLAKE_TRY(std::move(finished));
  Transformed one;
  one.files = result.files;
  (options_.keeps_rejected ? one.quarantine_files : one.rejected_files) = result.quarantine_files;
  one.rows = static_cast<std::uint64_t>(result.rows);
  one.rejected = static_cast<std::uint64_t>(result.rejected);
  one.duplicates = static_cast<std::uint64_t>(result.duplicates);
  one.rejected_by_reason = result.rejected_by_reason;
  result_.add(std::move(one));
  return {};
}

Result<Transformed> Dataset::Part::finish() {
  while (!open_.empty())
    SHOPLAKE_TRY(end(std::string(open_.begin()->first)));
  return std::exchange(result_, Transformed());
}

Result<Transformed> Dataset::transform_once(const TransformRequest& request,
                                            const std::vector<const SeenEvents*>& others) {
  Part part(*this, {request.now_micros, request.keeps_rejected, request.stop, others});
  for (const Records& records : request.records) {
    SHOPLAKE_TRY(part.add(records.source_object, records.records));
    SHOPLAKE_TRY(part.end(records.source_object));
  }
  return part.finish();
}

// Only files that may hold events of just these moments are read, and of them only what is within their span.
Result<SeenEvents> Dataset::known(const Transformed& transformed, engine::Session& session) const {
  SeenEvents known(SeenEvents::kAll);
  std::vector<std::int64_t> moments = transformed.unsure_micros;
  std::sort(moments.begin(), moments.end());
  std::vector<std::string> candidates;
  for (const auto& [path, file] : files_) {
    const auto first = std::lower_bound(moments.begin(), moments.end(),
                                        file.first_micros.value_or(std::numeric_limits<std::int64_t>::min()));
    if (first != moments.end() && *first <= file.last_micros.value_or(std::numeric_limits<std::int64_t>::max()))
      candidates.push_back(path);
  }
  if (candidates.empty())
    return known;
  const std::string id = engine::quote_identifier(std::string(contract_.event_id_column()));
  const std::string time = engine::quote_identifier(time_column_);
  SHOPLAKE_TRY(for_each_event(
      session,
      fmt::format("SELECT {0}, {1} FROM read_parquet({2}, hive_partitioning = false) WHERE {0} IS NOT NULL AND {3} "
                  "BETWEEN {4} AND {5}",
                  id, time_is_timestamp_ ? fmt::format("epoch_us({})", time) : time, engine::literal_list(candidates),
                  time, moment_literal(moments.front()), moment_literal(moments.back())),
      [&](std::string_view event, std::int64_t micros) {
        const EventDigest digest = event_digest(event);
        if (transformed.events.contains(digest))
          known.add(digest, micros);
      }));
  return known;
}

Result<void> Dataset::begin(engine::Session& session) {
  SHOPLAKE_TRY(follow_table(session));
  return plan_layout();
}

Result<Transformed> Dataset::transform(const TransformRequest& request, engine::Session& session) {
  SHOPLAKE_TRY(begin(session));
  Transformed transformed = SHOPLAKE_TRY(transform_once(request, {}));
  if (transformed.unsure_micros.empty())
    return transformed;
  auto found = known(transformed, session);
  if (!found.ok()) {
    discard(transformed);
    return std::move(found).error();
  }
  if (found->size() == 0)
    return transformed;
  // Seldom, except in a replay: the files are written again without them.
  discard(transformed);
  return transform_once(request, {&*found});
}

void Dataset::discard(const Transformed& transformed) const {
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
    add(tables_.table, transformed.files, layout_->schema, {contract_.partitioning.columns.front()});
    add(tables_.quarantine, transformed.quarantine_files, layout_->quarantine_schema, {});
  }
  return changes;
}

void Dataset::accept(const Transformed& transformed, const std::vector<catalog::CommittedTable>& committed) {
  seen_.add_all(transformed.events);
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
