#include "live/compaction.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/thread_priority.h"
#include "catalog/merged_statistics.h"
#include "io/sync_files.h"
#include "live/parquet_copy.h"
#include "live/table_files.h"
#include "model/iceberg_type.h"
#include "transform/parquet_concatenation.h"

namespace shoplake::live {
namespace {

// A file of which so large a part is deleted is written anew.
constexpr std::int64_t kDeletedPart = 4;
constexpr std::size_t kMergedFilesMax = 64;
constexpr int kExpiryCommits = 25;
constexpr std::int64_t kRemoveEveryMicros = 30'000'000;
constexpr int kTrimBatches = 16;
constexpr std::int64_t kRetryMicros = 60'000'000;
constexpr int kMergedRowGroupRows = 8'192;        // wide rows: a row group is in memory as a whole
constexpr std::int64_t kDecodedRowsMax = 65'536;  // of a merge that decodes: what is left is for the next one
constexpr const char* kManifestsProperty = "commit.manifest.min-count-to-merge";
constexpr const char* kManifestsMax = "16";
constexpr const char* kSummaryKey = "shoplake.live";

int tier(std::int64_t rows) {
  int tier = 0;
  for (std::int64_t most = kFirstTierRows; rows > most; most *= static_cast<std::int64_t>(kTierFiles))
    ++tier;
  return tier;
}

}  // namespace

std::vector<std::size_t> choose_merge(const std::vector<MergeCandidate>& files, std::int64_t rows_max) {
  std::map<std::pair<std::vector<transform::PartitionValue>, int>, std::vector<const MergeCandidate*>> tiers;
  for (const MergeCandidate& file : files) {
    if (file.rows >= rows_max)
      continue;
    if (file.deleted_rows > 0 && file.deleted_rows * kDeletedPart >= file.rows + file.deleted_rows &&
        file.rows + file.deleted_rows > kFirstTierRows)
      return {file.index};
    tiers[{file.partition, tier(file.rows)}].push_back(&file);
  }
  for (auto& [key, members] : tiers) {
    if (members.size() < kTierFiles)
      continue;
    std::vector<std::size_t> chosen;
    std::int64_t rows = 0;
    for (const MergeCandidate* file : members) {
      if (chosen.size() >= kMergedFilesMax || (chosen.size() > 1 && rows + file->rows > rows_max))
        break;
      rows += file->rows;
      chosen.push_back(file->index);
    }
    if (chosen.size() > 1)
      return chosen;
  }
  return {};
}

// A merge that a thread writes and live commits.
struct Compactor::Job {
  catalog::Table table;
  catalog::TableChange change;
  std::vector<std::int64_t> rows;  // of each file that change.removed_paths names
  std::string columns;             // SQL
  std::string path;
  std::vector<transform::PartitionValue> partition;
  std::int64_t begin_micros = 0;

  std::unique_ptr<engine::Session> session;
  std::optional<Result<transform::DataFile>> outcome;  // once done
  std::atomic<bool> is_done = false;
  std::jthread thread;  // last: it ends before what it uses

  ~Job() {
    if (thread.joinable() && !is_done)
      session->interrupt();
  }
};

Compactor::Compactor(const LiveOptions& options, StatusBoard& board, Writer& writer)
    : options_(options), board_(board), writer_(writer) {
  writer_.on_forget([this] { forget(); });
}

Compactor::~Compactor() { forget(); }

void Compactor::forget() {
  if (!job_)
    return;
  if (!job_->is_done)
    job_->session->interrupt();
  const std::string path = job_->path;
  if (job_->thread.joinable())
    job_->thread.join();
  job_.reset();
  (void)options_.env->remove_file(path);
}

void Compactor::committed(const std::vector<catalog::CommittedTable>& tables) {
  batches_since_trim_ += tables.empty() ? 0 : 1;
  for (const catalog::CommittedTable& table : tables) {
    ++counters_[table.table].since_merge;
    ++counters_[table.table].since_expiry;
  }
}

bool Compactor::is_hot(const catalog::TableIdentifier& table) const {
  const Models* models = writer_.models();
  if (models == nullptr)
    return false;
  return std::any_of(models->plan().models.begin(), models->plan().models.end(),
                     [&](const auto& model) { return model->table == table && !model->appends; });
}

Result<void> Compactor::run(std::stop_token stop) {
  if (!writer_.is_loaded())
    return {};
  struct Task {
    const char* name;
    Result<bool> (Compactor::*run)();
  };
  static constexpr std::array<Task, 6> kTasks = {{{"trim", &Compactor::trim_hot},
                                                  {"commit_merge", &Compactor::finish_merge},
                                                  {"merge_hot", &Compactor::merge_hot},
                                                  {"expire", &Compactor::expire},
                                                  {"begin_merge", &Compactor::begin_merge},
                                                  {"remove_retired", &Compactor::remove_retired}}};
  // Under a steady stream there is always something to do: by turns, and events wait for no more than one long one.
  std::int64_t now = options_.env->monotonic_micros();
  const std::int64_t end = now + std::chrono::microseconds(options_.upkeep).count();
  for (std::size_t tried = 0; tried < kTasks.size() && now < end && !stop.stop_requested(); ++tried) {
    const Task& task = kTasks[next_task_];
    next_task_ = (next_task_ + 1) % kTasks.size();
    const std::int64_t before = now;
    const bool has_run = SHOPLAKE_TRY((this->*task.run)());
    now = options_.env->monotonic_micros();
    if (has_run)
      board_.part_done(task.name, now - before);
  }
  return {};
}

Result<void> Compactor::run_all(std::stop_token stop) {
  SHOPLAKE_TRY(trim_hot());
  bool again = true;
  while (again && writer_.is_loaded() && !stop.stop_requested()) {
    if (job_)
      job_->thread.join();
    again = SHOPLAKE_TRY(finish_merge());
    again = SHOPLAKE_TRY(merge_hot()) || again;
    again = SHOPLAKE_TRY(expire()) || again;
    again = SHOPLAKE_TRY(begin_merge()) || again;
  }
  SHOPLAKE_TRY(remove_retired());
  if (remover_.joinable())
    remover_.join();
  return {};
}

// A merge that did not come about is tried again later: the table is as it was.
void Compactor::put_off(const catalog::TableIdentifier& table, const base::Error& error) {
  counters_[table].not_before_micros = options_.env->monotonic_micros() + kRetryMicros;
  base::log::warning("live.compaction_failed", {{"table", catalog::to_string(table)}, {"reason", error.message}});
}

// ── hot tables ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<bool> Compactor::merge_hot() {
  Models* models = writer_.models();
  if (models == nullptr)
    return false;
  // By turns: with a steady stream there is always one that could be merged.
  const auto& all = models->plan().models;
  for (std::size_t tried = 0; tried < all.size(); ++tried) {
    const auto& model = all[next_hot_++ % all.size()];
    Counter& counter = counters_[model->table];
    if (model->appends || counter.since_merge == 0 || counter.not_before_micros > options_.env->monotonic_micros())
      continue;
    std::vector<MergeCandidate> candidates;
    std::vector<std::int32_t> numbers;
    for (const auto& [number, file] : models->files(*model).data) {
      candidates.push_back({numbers.size(), file.rows - file.deleted_rows, file.deleted_rows, file.partition});
      numbers.push_back(number);
    }
    std::vector<std::int32_t> chosen;
    for (const std::size_t index : choose_merge(candidates, kHotMergeRowsMax))
      chosen.push_back(numbers[index]);
    if (chosen.empty()) {
      counter.since_merge = 0;
      continue;
    }
    const std::int64_t begin = options_.env->monotonic_micros();
    const std::string table = catalog::to_string(model->table);
    auto merged = models->merge(*model, chosen);
    if (!merged.ok()) {
      put_off(model->table, merged.error());
      return true;
    }
    Models::Merge merge = std::move(merged).value();
    merge.change.set_properties[kManifestsProperty] = kManifestsMax;
    auto committed = [&]() -> Result<std::vector<catalog::CommittedTable>> {
      SHOPLAKE_TRY(io::sync_files(*options_.env, merge.paths));
      return options_.catalog->commit(std::span(&merge.change, 1));
    }();
    if (!committed.ok()) {
      if (committed.error().kind != base::ErrorKind::unknown_outcome)
        remove_files(*options_.env, merge.paths);
      return std::move(committed).error().within("compaction of " + table);
    }
    SHOPLAKE_TRY(models->replace(merge, committed->at(0).snapshot_id).within("compaction of " + table));
    ++counter.since_expiry;
    board_.compacted(table, static_cast<std::int64_t>(chosen.size()), 1, options_.env->monotonic_micros() - begin);
    return true;
  }
  return false;
}

// Days that are no longer hot, and the room of rows that were replaced.
Result<bool> Compactor::trim_hot() {
  if (batches_since_trim_ < kTrimBatches || writer_.models() == nullptr)
    return false;
  batches_since_trim_ = 0;
  SHOPLAKE_TRY(writer_.models()->trim(writer_.newest_day()).within("hot rows"));
  return true;
}

// ── tables that only grow ─────────────────────────────────────────────────────────────────────────────────────────

Result<std::unique_ptr<Compactor::Job>> Compactor::plan_merge(const catalog::TableIdentifier& identifier) {
  const catalog::Table table = SHOPLAKE_TRY(options_.catalog->load_table(identifier));
  const std::vector<transform::DataFile> files =
      SHOPLAKE_TRY(options_.catalog->list_files(table, std::nullopt, /*with_statistics=*/false));
  std::vector<MergeCandidate> candidates;
  for (std::size_t index = 0; index < files.size(); ++index) {
    // Somebody has deleted rows: whoever did has to merge.
    if (files[index].content != transform::DataFile::Content::data)
      return std::unique_ptr<Job>();
    candidates.push_back({index, files[index].record_count, 0, files[index].partition});
  }
  const std::vector<std::size_t> chosen = choose_merge(candidates, kMergeRowsMax);
  if (chosen.size() < 2)
    return std::unique_ptr<Job>();
  auto job = std::make_unique<Job>();
  job->begin_micros = options_.env->monotonic_micros();
  job->partition = files[chosen.front()].partition;
  std::vector<std::string> paths;
  for (const std::size_t index : chosen) {
    paths.push_back(files[index].path);
    job->rows.push_back(files[index].record_count);
  }
  for (const catalog::Field& field : table.metadata->current_schema().fields) {
    const std::string name = engine::quote_identifier(field.name);
    job->columns += fmt::format("{}CAST({} AS {}) AS {}", job->columns.empty() ? "" : ", ", name,
                                model::duckdb_type(field.type), name);
  }
  std::string folder = SHOPLAKE_TRY(options_.catalog->data_location(identifier));
  // Beside the first of the files: in the folder of their partition.
  if (io::parent_path(paths.front()).starts_with(folder))
    folder = io::parent_path(paths.front());
  job->path = io::join_path(folder, options_.env->new_uuid() + ".parquet");
  job->change.table = identifier;
  job->change.operation = catalog::TableChange::Operation::rewrite;
  job->change.base_sequence_number = table.metadata->last_sequence_number();
  job->change.removed_paths = std::move(paths);
  job->change.summary = {{kSummaryKey, "compaction"}};
  job->change.set_properties[kManifestsProperty] = kManifestsMax;
  job->table = table;
  return job;
}

// The files' row groups as they are, without decoding: most of a merge's cost. None: they are small, so that joined
// ones would be slow to read, or not alike.
Result<std::optional<transform::DataFile>> Compactor::join_files(const Job& job) {
  const std::vector<std::string>& paths = job.change.removed_paths;
  const auto joined = transform::ParquetConcatenation::open(*options_.env, paths);
  if (!joined.ok()) {
    if (joined.error().kind == base::ErrorKind::input)
      return std::optional<transform::DataFile>();
    return joined.error();
  }
  if (joined->rows() < joined->row_groups() * options_.joined_row_group_rows_min)
    return std::optional<transform::DataFile>();
  std::vector<transform::DataFile> files = SHOPLAKE_TRY(options_.catalog->list_files(job.table));
  std::erase_if(files, [&](const transform::DataFile& file) {
    return std::find(paths.begin(), paths.end(), file.path) == paths.end();
  });
  SHOPLAKE_CHECK(files.size() == paths.size());
  auto written = joined->write(*options_.env, job.path);
  if (!written.ok()) {
    if (written.error().kind == base::ErrorKind::input)
      return std::optional<transform::DataFile>();
    return std::move(written).error();
  }
  transform::DataFile file;
  file.path = job.path;
  file.record_count = joined->rows();
  file.file_size_bytes = written->size_bytes;
  file.split_offsets = std::move(written->split_offsets);
  file.columns = catalog::merged_statistics(job.table.metadata->current_schema(), files);
  return std::optional(std::move(file));
}

// Their rows in row groups of one size: of the first files only, if all are many.
Result<transform::DataFile> Compactor::decode_files(Job& job) {
  std::vector<std::string>& paths = job.change.removed_paths;
  std::size_t taken = 0;
  for (std::int64_t rows = 0; taken < paths.size() && (taken < 2 || rows + job.rows[taken] <= kDecodedRowsMax); ++taken)
    rows += job.rows[taken];
  paths.resize(taken);
  return copy_rows(*options_.env, *job.session,
                   fmt::format("SELECT {} FROM read_parquet({}, hive_partitioning = false, union_by_name = true)",
                               job.columns, engine::literal_list(paths)),
                   job.table.metadata->current_schema(), job.path, kMergedRowGroupRows);
}

void Compactor::work(Job& job) {
  job.outcome = [&]() -> Result<transform::DataFile> {
    std::optional<transform::DataFile> joined = SHOPLAKE_TRY(join_files(job));
    transform::DataFile file = joined ? std::move(*joined) : SHOPLAKE_TRY(decode_files(job));
    base::log::debug("live.merged", {{"table", catalog::to_string(job.table.identifier)},
                                     {"files", static_cast<std::int64_t>(job.change.removed_paths.size())},
                                     {"rows", file.record_count},
                                     {"bytes", file.file_size_bytes},
                                     {"joined", joined.has_value()},
                                     {"micros", options_.env->monotonic_micros() - job.begin_micros}});
    SHOPLAKE_TRY(io::sync_files(*options_.env, {job.path}));
    file.partition = job.partition;
    return file;
  }();
  job.is_done = true;
}

Result<bool> Compactor::begin_merge() {
  if (job_)
    return false;
  const std::int64_t now = options_.env->monotonic_micros();
  for (auto& [table, counter] : counters_) {
    if (counter.since_merge < static_cast<int>(kTierFiles) || counter.not_before_micros > now || is_hot(table))
      continue;
    auto planned = plan_merge(table);
    if (!planned.ok() || !*planned) {
      counter.since_merge = 0;
      continue;
    }
    job_ = std::move(*planned);
    job_->session = SHOPLAKE_TRY(writer_.database().connect());
    job_->thread = std::jthread([this, job = job_.get()] {
      base::make_background_thread();
      work(*job);
    });
    return true;
  }
  return false;
}

Result<bool> Compactor::finish_merge() {
  if (!job_ || !job_->is_done)
    return false;
  if (job_->thread.joinable())
    job_->thread.join();
  const std::unique_ptr<Job> job = std::move(job_);
  const std::string table = catalog::to_string(job->table.identifier);
  Counter& counter = counters_[job->table.identifier];
  const auto give_up = [&](const base::Error& error) {
    (void)options_.env->remove_file(job->path);
    put_off(job->table.identifier, error);
    return true;
  };
  if (!job->outcome->ok())
    return give_up(job->outcome->error());
  job->change.added = {**job->outcome};
  const auto committed = options_.catalog->commit(std::span(&job->change, 1));
  if (!committed.ok()) {
    if (committed.error().kind == base::ErrorKind::unknown_outcome)
      return committed.error();
    return give_up(committed.error());
  }
  writer_.merged(job->table.identifier, job->change, committed->at(0));
  ++counter.since_expiry;
  board_.compacted(table, static_cast<std::int64_t>(job->change.removed_paths.size()), 1,
                   options_.env->monotonic_micros() - job->begin_micros);
  return true;
}

// ── snapshots and files ───────────────────────────────────────────────────────────────────────────────────────────

Result<bool> Compactor::expire() {
  // That with the most: a table whose turn does not come has longer metadata with each commit.
  const auto most = std::max_element(counters_.begin(), counters_.end(), [](const auto& one, const auto& other) {
    return one.second.since_expiry < other.second.since_expiry;
  });
  if (most == counters_.end() || most->second.since_expiry < kExpiryCommits)
    return false;
  auto& [table, counter] = *most;
  counter.since_expiry = 0;
  catalog::Catalog::Expiry expiry;
  expiry.keep_last = options_.snapshots_kept;
  expiry.older_than_ms = options_.env->now_micros() / 1000;
  expiry.only_with = kSummaryKey;
  expiry.retire_micros = options_.retired_files_micros;
  SHOPLAKE_TRY(options_.catalog->expire_snapshots(table, expiry).within("expiry of " + catalog::to_string(table)));
  return true;
}

Result<bool> Compactor::remove_retired() {
  const std::int64_t now = options_.env->monotonic_micros();
  if (removed_at_micros_ != 0 && now - removed_at_micros_ < kRemoveEveryMicros)
    return false;
  removed_at_micros_ = now;
  if (is_removing_)
    return false;
  is_removing_ = true;
  remover_ = std::jthread([this](std::stop_token stop) {
    base::make_background_thread();
    const auto removed = options_.catalog->remove_retired_files(stop);
    if (!removed.ok())
      base::log::warning("live.removal_failed", {{"reason", removed.error().message}});
    is_removing_ = false;
  });
  return true;
}

}  // namespace shoplake::live
