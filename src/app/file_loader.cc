#include "app/file_loader.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "app/files_progress.h"
#include "app/hash_key.h"
#include "app/ordered_work.h"
#include "base/log.h"
#include "base/moment.h"
#include "ingest/file_name.h"
#include "transform/number_text.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using ingest::FileRecord;
using ingest::FileState;

// A schema, a file to be replaced, or a path in the raw zone that another load changed between preparation and commit
// is prepared again this often.
constexpr int kAttempts = 5;
constexpr std::string_view kPathTaken = "load.raw_path_taken";
// Rejected files, apart from the tables of the zone.
constexpr std::string_view kQuarantinedFiles = "quarantine/_files";
constexpr const char* kReasonEnding = ".reason.json";  // of the document beside one

bool is_worth_another_attempt(const base::Error& error) {
  return error.code == "catalog.schema_changed" || error.code == "catalog.commit_conflict" || error.code == kPathTaken;
}

// When each of numbered works began, in the order of the numbers, though a later one may be asked about first.
class OrderedTimes {
 public:
  explicit OrderedTimes(io::Env& env) : env_(env) {}
  std::int64_t of(std::size_t number) {
    const std::lock_guard lock(mutex_);
    while (times_.size() <= number)
      times_.push_back(times_.empty() ? env_.now_micros() : std::max(times_.back() + 1, env_.now_micros()));
    return times_[number];
  }

 private:
  io::Env& env_;
  std::mutex mutex_;
  std::vector<std::int64_t> times_;
};

void skip(LoadedFile& file, const ingest::LoadedObject& known) {
  file.status = LoadedFile::Status::skipped;
  file.rows = file.rejected = file.data_files = file.data_bytes = 0;
  file.rejected_by_reason.clear();
  file.drift.clear();
  file.snapshot_id.reset();
  file.raw_object = known.raw_object;
  file.loaded_before_as = known.source_name;
  file.loaded_before_at_micros = known.loaded_at_micros;
}

// What stands beside a rejected file.
std::string reason_document(const FileRecord& file, const base::Error& error) {
  std::string text = "{";
  const auto add = [&](std::string_view key, std::string_view value) {
    text += text.size() > 1 ? "," : "";
    transform::append_json_string(text, key);
    text += ":";
    transform::append_json_string(text, value);
  };
  add("dataset", file.key.dataset);
  add("date", file.key.date);
  add("name", file.key.name);
  add("source_name", file.source_name);
  add("reason_code", error.code);
  add("message", error.message);
  add("advice", error.advice);
  add("md5", file.md5);
  add("rejected_at", base::timestamp_text(file.at_micros));
  return text + fmt::format(",\"size_bytes\":{}}}\n", file.size_bytes);
}

}  // namespace

Result<std::unique_ptr<FileLoader>> FileLoader::open(App& app, FileLoaderOptions options) {
  std::unique_ptr<FileLoader> loader(new FileLoader(app, std::move(options)));
  loader->contract_ =
      SHOPLAKE_TRY(contract::load_contract(app.env(), app.home().datasets_directory, loader->options_.dataset));
  if (loader->contract_.needs_hash_key())
    loader->contract_.hash_key = SHOPLAKE_TRY(hash_key(app.env(), app.home().directory));
  if (loader->options_.reload && loader->contract_.changed_file != contract::Contract::ChangedFile::replace) {
    return make_error(ErrorKind::usage, "load.no_reload",
                      fmt::format("Files of {} cannot be loaded again", loader->contract_.dataset),
                      "Their rows stay: the contract does not say on_changed_file: replace.");
  }
  loader->catalog_ = SHOPLAKE_TRY(app.catalog());
  loader->control_plane_ = SHOPLAKE_TRY(loader->catalog_->open_control_plane());
  SHOPLAKE_TRY(ingest::prepare_registry(*loader->control_plane_));
  SHOPLAKE_TRY(ingest::prepare_file_registry(*loader->control_plane_));
  loader->tables_ = SHOPLAKE_TRY(ingest::create_dataset_tables(*loader->catalog_, loader->contract_));
  loader->preparation_ = std::make_unique<FilePreparation>(
      app, *loader->catalog_, FilePreparationOptions{&loader->contract_, &loader->tables_, loader->options_.reload});
  loader->audit_ = SHOPLAKE_TRY(LoadAudit::open(app, loader->contract_, loader->tables_.table));
  ingest::remove_abandoned_copies(app.env(), app.home().temporary_directory);
  return loader;
}

LoadedFile FileLoader::load(const std::string& path, std::int64_t modified_micros, const std::string& registered_name) {
  return load(FilePreparation::begin(contract_, {path, modified_micros}, registered_name, app_.env().now_micros()));
}

void FileLoader::load_all(const std::vector<FileToLoad>& files, const std::function<bool(const LoadedFile&)>& on_file) {
  if (files.size() == 1) {
    on_file(load(files[0].path, files[0].modified_micros));
    return;
  }
  std::vector<std::uint64_t> weights;
  std::uint64_t total = 0;
  for (const FileToLoad& file : files) {
    const std::uint64_t size = app_.env().file_size(file.path).value_or(0);
    weights.push_back(preparation_weight(file.path, size));
    total += size;
  }
  FilesProgress shown(progress(), fmt::format("load {} files", files.size()), total);
  std::stop_source stop;
  const std::stop_callback stop_too(options_.stop, [&] { stop.request_stop(); });
  OrderedTimes times(app_.env());
  struct Ahead {
    FileWork work;
    PreparedFile prepared;
    std::int64_t micros = 0;
  };
  OrderedWork<Ahead> ahead(std::move(weights), preparation_limits(), [&](std::size_t number) {
    const std::int64_t begin_micros = app_.env().monotonic_micros();
    Ahead next;
    next.work = FilePreparation::begin(contract_, files[number], "", times.of(number));
    FilesProgress::File file_shown(shown);
    next.prepared = preparation_->prepare(next.work, file_shown, stop.get_token());
    next.micros = app_.env().monotonic_micros() - begin_micros;
    return next;
  });
  for (std::size_t number = 0; number < files.size(); ++number) {
    Ahead next = ahead.take();
    const std::int64_t begin_micros = app_.env().monotonic_micros() - next.micros;
    if (!on_file(finish(std::move(next.work), std::move(next.prepared), begin_micros))) {
      stop.request_stop();
      return;
    }
  }
}

LoadedFile FileLoader::retry(const FileRecord& record) {
  const std::string path = io::join_path(app_.home().lake_root, record.object);
  FileWork work = FilePreparation::begin(contract_, {path, record.modified_micros},
                                         std::string(ingest::given_name(record)), app_.env().now_micros());
  work.key.date = record.key.date;
  work.retried = record;
  LoadedFile file = load(std::move(work));
  // A rejected file that is blocked now stands in the raw zone, and the registry says so.
  const bool is_settled = !file.error || (record.state == FileState::rejected && file.error->code == quality::kBlocked);
  if (record.state != FileState::loaded && is_settled) {
    const Result<void> settled = settle_retry(record);
    if (!settled.ok())
      base::log::error("load.not_settled", {{"file", path}, {"reason", settled.error().message}});
  }
  return file;
}

// What was kept of a file that is taken now goes. A crash before it leaves what the next retry finds loaded.
Result<void> FileLoader::settle_retry(const FileRecord& record) {
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
  SHOPLAKE_TRY(ingest::forget_file(*control_plane_, record));
  SHOPLAKE_TRY(transaction.commit());
  if (record.state != FileState::rejected)
    return {};
  const std::string kept = io::join_path(app_.home().lake_root, record.object);
  SHOPLAKE_TRY(app_.env().remove_file(kept));
  return app_.env().remove_file(kept + kReasonEnding);
}

LoadedFile FileLoader::load(FileWork work) {
  const std::int64_t begin_micros = app_.env().monotonic_micros();
  PreparedFile prepared = preparation_->prepare(work, progress(), options_.stop);
  return finish(std::move(work), std::move(prepared), begin_micros);
}

LoadedFile FileLoader::finish(FileWork work, PreparedFile prepared, std::int64_t begin_micros) {
  LoadedFile file;
  Result<void> outcome;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0)
      prepared = preparation_->prepare(work, progress(), options_.stop);
    file = LoadedFile();
    file.path = work.path;
    outcome = try_finish(work, prepared, file);
    if (outcome.ok() || !is_worth_another_attempt(outcome.error()))
      break;
  }
  if (!outcome.ok()) {
    LoadedFile failed;
    failed.path = work.path;
    failed.status = LoadedFile::Status::failed;
    if (outcome.error().code == quality::kBlocked)
      failed.raw_object = file.raw_object;
    if (outcome.error().kind == ErrorKind::input && !work.retried) {
      work.content.md5 = file.md5;
      work.content.size_bytes = file.input_bytes;
      reject(work, outcome.error(), failed);
    }
    failed.error = std::move(outcome).error().within(fmt::format("load {}", work.path));
    file = std::move(failed);
  }
  file.micros = app_.env().monotonic_micros() - begin_micros;
  return file;
}

// What was prepared, in its turn: the registries may say otherwise now.
Result<void> FileLoader::try_finish(const FileWork& given, PreparedFile& prepared, LoadedFile& file) {
  FileWork work = given;
  file.input_bytes = prepared.size_bytes;
  file.copy_micros = prepared.copy_micros;
  if (prepared.error && (prepared.copy == nullptr || prepared.error->kind != ErrorKind::input))
    return *prepared.error;
  file.md5 = SHOPLAKE_TRY(prepared.copy->md5());
  work.content = {contract_.dataset, file.md5, prepared.size_bytes};
  work.previous = SHOPLAKE_TRY(preparation_->previous(*control_plane_, work));
  if (const auto known = SHOPLAKE_TRY(preparation_->known(*control_plane_, work)))
    return take_known(work, *known, file);
  if (prepared.error)
    return *prepared.error;
  if (!prepared.rows.is_there())  // its content was loaded, and is not any more
    return make_error(ErrorKind::conflict, "catalog.commit_conflict", "Another load was undone meanwhile");
  return load_new(work, prepared, file);
}

FileRecord FileLoader::record_of(const FileWork& work, FileState state, const std::string& object) const {
  FileRecord record;
  record.key = work.key;
  if (contract_.changed_file == contract::Contract::ChangedFile::add &&
      (state == FileState::loaded || state == FileState::blocked))
    record.key.name = io::file_name(object);  // contents of one name stand side by side
  record.state = state;
  record.source_name = work.source_name();
  record.object = object;
  record.md5 = work.content.md5;
  record.size_bytes = work.content.size_bytes;
  record.modified_micros = work.modified_micros;
  record.at_micros = work.now;
  return record;
}

// A content that is loaded already, maybe under another name.
Result<void> FileLoader::take_known(FileWork& work, const ingest::LoadedObject& known, LoadedFile& file) {
  const std::string object = preparation_->raw_object_at(work.path);
  if (work.previous) {
    // The file now has the content of another one: its own rows go, those stay.
    const Removals removals = SHOPLAKE_TRY(plan_removals(work));
    const Result<void> removed = commit_removal(work, removals, record_of(work, FileState::duplicate, object));
    if (!removed.ok() && removed.error().code == quality::kBlocked)
      note_blocked(work, object.empty() ? known.raw_object : object, removed.error());
    SHOPLAKE_TRY(removed);
    file.replaced_object = work.previous->object;
  } else if (!object.empty() && object != known.raw_object) {
    io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
    SHOPLAKE_TRY(ingest::record_file(*control_plane_, record_of(work, FileState::duplicate, object)));
    SHOPLAKE_TRY(transaction.commit());
  } else if (!object.empty()) {
    // The very file: only its time may be another.
    auto record = SHOPLAKE_TRY(ingest::find_file_at(*control_plane_, object));
    if (record && record->modified_micros != work.modified_micros) {
      record->modified_micros = work.modified_micros;
      io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
      SHOPLAKE_TRY(ingest::record_file(*control_plane_, *record));
      SHOPLAKE_TRY(transaction.commit());
    }
  }
  const std::string replaced = file.replaced_object;
  skip(file, known);
  file.replaced_object = replaced;
  return {};
}

Result<FileLoader::Removals> FileLoader::plan_removals(const FileWork& work) {
  Removals removals;
  if (!work.previous)
    return removals;
  const std::string& object = work.previous->object;
  std::vector<std::string> rows;
  std::vector<std::string> rejects;
  for (const ingest::ObjectFile& file : SHOPLAKE_TRY(ingest::object_files(*control_plane_, object)))
    (file.table == catalog::to_string(tables_.table) ? rows : rejects).push_back(file.path);
  const auto plan = [&](const catalog::TableIdentifier& table, const std::vector<std::string>& files) {
    // The registry knows no data files where files of one name stand side by side.
    return contract_.changed_file == contract::Contract::ChangedFile::replace
               ? plan_row_removal(app_, table, object, files)
               : plan_row_removal(app_, table, object);
  };
  removals.table = SHOPLAKE_TRY(plan(tables_.table, rows));
  auto quarantine = plan(tables_.quarantine, rejects);
  if (!quarantine.ok()) {
    discard(app_.env(), removals.table);
    return std::move(quarantine).error();
  }
  removals.quarantine = std::move(quarantine).value();
  return removals;
}

Result<void> FileLoader::load_new(FileWork& work, PreparedFile& prepared, LoadedFile& file) {
  io::Env& env = app_.env();
  file.raw_object = prepared.raw_object;
  const bool stands_in_raw = !preparation_->raw_object_at(work.path).empty();
  if (!stands_in_raw) {
    const std::string reserved = SHOPLAKE_TRY(
        ingest::reserve_raw_path(*control_plane_, work.content, preparation_->raw_day(work), work.key.name));
    if (reserved != prepared.raw_object) {
      return make_error(ErrorKind::conflict, std::string(kPathTaken),
                        fmt::format("Another content has the path {} now", prepared.raw_object));
    }
  }
  transform::TransformResult& result = prepared.rows.result();
  if (work.makes_anew() && result.rejected >= work.retried->rejected) {
    file.status = LoadedFile::Status::skipped;
    file.rejected = result.rejected;
    file.rejected_by_reason = std::move(result.rejected_by_reason);
    return {};
  }

  const std::int64_t commit_begin = env.monotonic_micros();
  Removals removals;
  auto committed = [&]() -> Result<void> {
    removals = SHOPLAKE_TRY(plan_removals(work));
    if (!stands_in_raw)
      SHOPLAKE_TRY(prepared.copy->place(io::join_path(app_.home().lake_root, file.raw_object)));
    return commit(work, removals, prepared, file);
  }();
  // An unknown outcome may have been a commit: then the files belong to the table.
  if (committed.ok() || committed.error().kind == ErrorKind::unknown_outcome)
    prepared.rows.keep();
  if (!committed.ok()) {
    if (committed.error().kind != ErrorKind::unknown_outcome) {
      discard(env, removals.table);
      discard(env, removals.quarantine);
    }
    if (committed.error().code == quality::kBlocked && !work.makes_anew())
      note_blocked(work, file.raw_object, committed.error());
    if (committed.error().code != ingest::kAlreadyLoaded)
      return committed;
    if (const auto known = SHOPLAKE_TRY(ingest::find_loaded(*control_plane_, work.content)))
      skip(file, *known);
    return {};
  }
  file.commit_micros = env.monotonic_micros() - commit_begin;
  file.rows = result.rows;
  file.rejected = result.rejected;
  file.rejected_by_reason = std::move(result.rejected_by_reason);
  file.drift = std::move(result.drift);
  file.drift_unlisted = result.drift_unlisted;
  file.format = result.format;
  file.encoding = std::move(result.encoding);
  file.delimiter = result.delimiter;
  file.missing_columns = std::move(result.missing_columns);
  file.inflated_bytes = result.inflated_bytes;
  file.data_files = static_cast<std::int64_t>(result.files.size());
  for (const transform::DataFile& data_file : result.files)
    file.data_bytes += data_file.file_size_bytes;
  file.read_seconds = result.read_seconds;
  file.parse_seconds = result.parse_seconds;
  file.write_seconds = result.write_seconds;
  if (work.previous)
    file.replaced_object = work.previous->object;
  base::log::info("load.committed",
                  {{"table", contract_.table}, {"file", work.path}, {"rows", file.rows}, {"rejected", file.rejected}});
  return {};
}

Result<void> FileLoader::commit(const FileWork& work, const Removals& removals, PreparedFile& prepared,
                                LoadedFile& file) {
  const transform::TransformResult& result = prepared.rows.result();
  ingest::LoadedObject object;
  object.content = work.content;
  object.source_name = work.source_name();
  object.raw_object = file.raw_object;
  object.rows = result.rows;
  object.rejected = result.rejected;
  object.loaded_at_micros = work.now;
  FileRecord record = record_of(work, FileState::loaded, file.raw_object);
  record.rows = result.rows;
  record.rejected = result.rejected;
  std::vector<ingest::ObjectFile> object_files;
  if (contract_.changed_file == contract::Contract::ChangedFile::replace) {
    for (const transform::DataFile& data : result.files)
      object_files.push_back({catalog::to_string(tables_.table), data.path});
    for (const transform::DataFile& data : result.quarantine_files)
      object_files.push_back({catalog::to_string(tables_.quarantine), data.path});
  }
  const auto write = [&](io::Database& database) -> Result<void> {
    if (work.previous) {
      SHOPLAKE_TRY(ingest::forget_loaded(database, {contract_.dataset, work.previous->md5, work.previous->size_bytes}));
      SHOPLAKE_TRY(ingest::forget_object_files(database, work.previous->object));
    }
    SHOPLAKE_TRY(ingest::record_loaded(database, object));
    SHOPLAKE_TRY(ingest::record_object_files(database, object.raw_object, object_files));
    return ingest::record_file(database, record);
  };

  std::vector<catalog::TableChange> changes;
  const auto add = [&](const catalog::TableIdentifier& table, const std::vector<transform::DataFile>& files,
                       const RowRemoval& removal, const catalog::Schema& planned,
                       std::vector<std::string> partition_by) {
    if (files.empty() && removal.empty())
      return;
    catalog::TableChange change;
    change.table = table;
    change.added = files;
    if (!removal.empty()) {
      change.operation = catalog::TableChange::Operation::overwrite;
      change.removed_paths = removal.removed_paths;
      change.added.insert(change.added.end(), removal.deletes.begin(), removal.deletes.end());
    }
    change.summary = {{"shoplake.source-object", file.raw_object}, {"shoplake.source-md5", work.content.md5}};
    change.create = catalog::CreateTable{planned, std::move(partition_by), {}, std::nullopt};
    change.evolve_to = planned;
    changes.push_back(std::move(change));
  };
  add(tables_.table, result.files, removals.table, prepared.schema, contract_.partitioning.columns);
  add(tables_.quarantine, result.quarantine_files, removals.quarantine, prepared.quarantine_schema, {});
  if (changes.empty()) {  // an empty file is loaded, too
    io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
    SHOPLAKE_TRY(write(*control_plane_));
    return transaction.commit();
  }
  for (const catalog::CommittedTable& each : SHOPLAKE_TRY(publish(std::move(changes), work, write))) {
    if (each.table == tables_.table)
      file.snapshot_id = each.snapshot_id;
  }
  return {};
}

// Commits what the block rules let through, and what they said of it.
Result<std::vector<catalog::CommittedTable>> FileLoader::publish(std::vector<catalog::TableChange> changes,
                                                                 const FileWork& work,
                                                                 const catalog::ControlPlaneWrites& write) {
  std::optional<catalog::TableChange> audited;
  if (audit_ != nullptr && changes.front().table == tables_.table)
    audited = SHOPLAKE_TRY(audit_->check(changes.front(), work.previous ? work.previous->object : std::string()));
  if (audited)
    changes.push_back(*audited);
  auto committed = catalog_->commit(changes, write);
  if (audited)
    audit_->done(*audited, committed.ok() || committed.error().kind == ErrorKind::unknown_outcome);
  return committed;
}

// What a block rule keeps out is named in the registry; it stays where it is, and the next load takes it again. What
// fails here is logged: the rule is what the caller tells.
void FileLoader::note_blocked(const FileWork& work, const std::string& object, const base::Error& error) {
  const auto noted = [&]() -> Result<void> {
    FileRecord record = record_of(work, FileState::blocked, object);
    record.reason = error.code;
    record.message = error.message;
    // A file of that day and name that is loaded stays what counts.
    const auto current = SHOPLAKE_TRY(ingest::find_file(*control_plane_, record.key));
    if (current && current->state == FileState::loaded)
      record.key.name += ingest::kBlockedEnding;
    io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
    SHOPLAKE_TRY(ingest::record_file(*control_plane_, record));
    return transaction.commit();
  }();
  if (!noted.ok())
    base::log::error("load.not_noted", {{"file", work.path}, {"reason", noted.error().message}});
  base::log::warning("load.blocked", {{"file", work.path}, {"kept", object}, {"reason", error.message}});
}

// Rows go and none come.
Result<void> FileLoader::commit_removal(const FileWork& work, const Removals& removals, const FileRecord& record) {
  const auto write = [&](io::Database& database) -> Result<void> {
    SHOPLAKE_TRY(ingest::forget_loaded(database, {contract_.dataset, work.previous->md5, work.previous->size_bytes}));
    SHOPLAKE_TRY(ingest::forget_object_files(database, work.previous->object));
    return ingest::record_file(database, record);
  };
  std::vector<catalog::TableChange> changes;
  const auto remove = [&](const catalog::TableIdentifier& table, const RowRemoval& removal) {
    if (removal.empty())
      return;
    catalog::TableChange change;
    change.table = table;
    change.operation = catalog::TableChange::Operation::overwrite;
    change.removed_paths = removal.removed_paths;
    change.added = removal.deletes;
    changes.push_back(std::move(change));
  };
  remove(tables_.table, removals.table);
  remove(tables_.quarantine, removals.quarantine);
  if (changes.empty()) {
    io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
    SHOPLAKE_TRY(write(*control_plane_));
    return transaction.commit();
  }
  auto committed = publish(std::move(changes), work, write);
  if (committed.ok())
    return {};
  if (committed.error().kind != ErrorKind::unknown_outcome) {
    discard(app_.env(), removals.table);
    discard(app_.env(), removals.quarantine);
  }
  return std::move(committed).error();
}

// Keeps a rejected file with its reason. What fails here is logged: the rejection itself is what the caller tells.
void FileLoader::reject(const FileWork& work, const base::Error& error, LoadedFile& file) {
  const Result<void> kept = quarantine_file(work, error, file);
  if (!kept.ok())
    base::log::error("load.not_quarantined", {{"file", work.path}, {"reason", kept.error().message}});
}

Result<void> FileLoader::quarantine_file(const FileWork& work, const base::Error& error, LoadedFile& file) {
  io::Env& env = app_.env();
  const std::string folder = fmt::format("{}/{}/date={}", kQuarantinedFiles, work.key.dataset, work.key.date);
  SHOPLAKE_TRY(env.create_directories(io::join_path(app_.home().lake_root, folder)));
  std::string object = io::join_path(folder, work.key.name);
  std::string target = io::join_path(app_.home().lake_root, object);
  if (SHOPLAKE_TRY(env.exists(target))) {
    object += fmt::format(".{}", work.now);
    target = io::join_path(app_.home().lake_root, object);
  }
  FileRecord record = record_of(work, FileState::rejected, object);
  record.reason = error.code;
  record.message = error.message;
  const std::string in_raw = preparation_->raw_object_at(work.path);
  const bool is_dropped = in_raw.starts_with(fmt::format("raw/{}/date=", work.key.dataset));
  if (is_dropped) {
    // The file moves away, so that a right one can come under its name.
    record.source_name = in_raw;
    SHOPLAKE_TRY(env.publish(work.path, target));
  } else if (!in_raw.empty()) {
    return {};  // a delivered object: its stream keeps the books
  } else if (error.code != "ingest.too_large") {
    auto copy = SHOPLAKE_TRY(ingest::RawCopy::make(env, work.path, app_.home().temporary_directory, options_.stop));
    record.md5 = SHOPLAKE_TRY(copy->md5());
    record.size_bytes = copy->size_bytes();
    SHOPLAKE_TRY(copy->place(target));
  }
  SHOPLAKE_TRY(env.write_file(target + kReasonEnding, reason_document(record, error)));
  // A file of that day and name that is loaded stays what counts.
  const auto current = SHOPLAKE_TRY(ingest::find_file(*control_plane_, record.key));
  if (current && current->state == FileState::loaded)
    record.key.name = std::string(io::file_name(object)) + std::string(ingest::kRejectedEnding);
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
  SHOPLAKE_TRY(ingest::record_file(*control_plane_, record));
  SHOPLAKE_TRY(transaction.commit());
  file.quarantined_as = object;
  file.raw_object.clear();
  base::log::warning("load.rejected", {{"file", work.path}, {"code", error.code}, {"kept", object}});
  return {};
}

}  // namespace shoplake::app
