#include "app/file_preparation.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/moment.h"
#include "ingest/file_name.h"
#include "ingest/table_schema.h"
#include "s3/location.h"
#include "transform/layout.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using ChangedFile = contract::Contract::ChangedFile;

std::string absolute_path(const std::string& path) {
  return s3::is_s3(path) ? path : std::filesystem::absolute(path).lexically_normal().string();
}

// Who dropped a file may not let others write it; then its bytes are durable when its writer made them so.
Result<void> make_durable(io::Env& env, const std::string& path) {
  const auto file = env.append_file(path);
  if (!file.ok())
    return {};
  SHOPLAKE_TRY((*file)->sync());
  return (*file)->close();
}

}  // namespace

std::uint64_t preparation_weight(std::string_view path, std::uint64_t size_bytes) {
  constexpr std::uint64_t kLeast = 32ULL << 20;  // blocks, queues, an encoder
  constexpr std::uint64_t kPerByte = 8;
  constexpr std::uint64_t kPerByteOfGzip = 64;
  const std::uint64_t factor = path.ends_with(".gz") ? kPerByteOfGzip : kPerByte;
  return size_bytes > kPreparationBytes / factor ? kPreparationBytes
                                                 : std::min(kPreparationBytes, kLeast + factor * size_bytes);
}

OrderedWorkLimits preparation_limits() {
  const std::size_t threads =
      std::min<std::size_t>(kPreparationsMax, std::size_t{2} * std::max(1U, std::thread::hardware_concurrency()));
  return {threads, kPreparationBytesMax, 2 * threads};
}

PreparedRows& PreparedRows::operator=(PreparedRows&& other) noexcept {
  discard();
  env_ = std::exchange(other.env_, nullptr);
  result_ = std::move(other.result_);
  return *this;
}

void PreparedRows::discard() {
  if (env_ != nullptr)
    transform::discard(*env_, result_);
  env_ = nullptr;
}

std::string FilePreparation::raw_object_at(const std::string& path) const {
  const std::string absolute = absolute_path(path);
  return absolute.starts_with(app_.home().lake_root + "/raw/") ? absolute.substr(app_.home().lake_root.size() + 1) : "";
}

std::string FilePreparation::raw_day(const FileWork& work) const {
  return options_.contract->changed_file == ChangedFile::replace ? work.key.date
                                                                 : base::date_text(base::day_of(work.now));
}

Result<std::optional<ingest::FileRecord>> FilePreparation::previous(io::Database& registry,
                                                                    const FileWork& work) const {
  if (work.makes_anew())
    return work.retried;
  if (options_.contract->changed_file != ChangedFile::replace)
    return std::optional<ingest::FileRecord>();
  std::optional<ingest::FileRecord> previous = SHOPLAKE_TRY(ingest::find_file(registry, work.key));
  if (previous &&
      (previous->state != ingest::FileState::loaded || (previous->md5 == work.content.md5 && !options_.reload)))
    previous.reset();
  return previous;
}

Result<std::optional<ingest::LoadedObject>> FilePreparation::known(io::Database& registry, const FileWork& work) const {
  // The very content again: it is not looked for, since its rows go with the commit that brings them.
  if (work.previous && work.previous->md5 == work.content.md5)
    return std::optional<ingest::LoadedObject>();
  return ingest::find_loaded(registry, work.content);
}

FileWork FilePreparation::begin(const contract::Contract& contract, const FileToLoad& file,
                                const std::string& registered_name, std::int64_t now) {
  FileWork work;
  work.path = file.path;
  work.now = now;
  work.modified_micros = file.modified_micros;
  work.key = {contract.dataset, ingest::file_date(absolute_path(file.path), now),
              registered_name.empty() ? std::string(io::file_name(file.path)) : registered_name};
  return work;
}

PreparedFile FilePreparation::prepare(const FileWork& work, base::Progress& progress,
                                      const std::stop_token& stop) const {
  PreparedFile file;
  Result<void> outcome = try_prepare(work, progress, stop, file);
  if (!outcome.ok())
    file.error = std::move(outcome).error();
  return file;
}

Result<void> FilePreparation::try_prepare(const FileWork& given, base::Progress& progress, const std::stop_token& stop,
                                          PreparedFile& file) const {
  io::Env& env = app_.env();
  FileWork work = given;
  file.size_bytes = SHOPLAKE_TRY(env.file_size(work.path));
  if (file.size_bytes > options_.contract->file_bytes_max) {
    return make_error(ErrorKind::input, "ingest.too_large",
                      fmt::format("{} has {} bytes, more than the limit of {}", work.path, file.size_bytes,
                                  options_.contract->file_bytes_max),
                      "Split it, or raise file_bytes_max of the contract.");
  }
  progress.begin(fmt::format("load {}", io::file_name(work.path)), file.size_bytes, base::Progress::Unit::bytes);
  struct End {
    base::Progress& progress;
    ~End() { progress.end(); }
  } end{progress};

  const std::int64_t begin_micros = env.monotonic_micros();
  file.copy = SHOPLAKE_TRY(ingest::RawCopy::make(env, work.path, app_.home().temporary_directory, stop));
  file.copy_micros = env.monotonic_micros() - begin_micros;
  file.size_bytes = file.copy->size_bytes();

  const auto registry = SHOPLAKE_TRY(catalog_.open_control_plane());
  work.content = {options_.contract->dataset, "", file.size_bytes};
  file.raw_object = raw_object_at(work.path);
  const bool stands_in_raw = !file.raw_object.empty();
  const auto expect_path = [&]() -> Result<void> {
    const auto path = SHOPLAKE_TRY(ingest::expected_raw_path(*registry, work.content, raw_day(work), work.key.name));
    file.raw_object = path.value_or("");
    return {};
  };
  bool needs_md5 = SHOPLAKE_TRY(ingest::is_size_loaded(*registry, work.content.dataset, file.size_bytes));
  if (!needs_md5 && !stands_in_raw) {
    SHOPLAKE_TRY(expect_path());
    needs_md5 = file.raw_object.empty();
  }
  if (needs_md5) {
    work.content.md5 = SHOPLAKE_TRY(file.copy->md5());
    work.previous = SHOPLAKE_TRY(previous(*registry, work));
    if (SHOPLAKE_TRY(known(*registry, work)))
      return {};
    if (!stands_in_raw)
      SHOPLAKE_TRY(expect_path());
  }
  if (!stands_in_raw)
    file.copy->begin_sync();
  file.rows = PreparedRows(env, SHOPLAKE_TRY(transform(work, progress, stop, file)));
  // An object of the raw zone, dropped there or delivered, stays as it is: writing the copy over it could undo a change
  // that came meanwhile. What changes it is seen by its time.
  if (stands_in_raw && !s3::is_s3(work.path))
    SHOPLAKE_TRY(make_durable(env, work.path));
  return {};
}

Result<transform::TransformResult> FilePreparation::transform(const FileWork& work, base::Progress& progress,
                                                              const std::stop_token& stop, PreparedFile& file) const {
  const contract::Contract& contract = *options_.contract;
  const ingest::DatasetTables& tables = *options_.tables;
  // Columns that the contract has and the table lacks are added by the commit.
  file.schema = SHOPLAKE_TRY(
      catalog_.plan_evolved_schema(tables.table, ingest::table_schema(transform::table_columns(contract))));
  file.quarantine_schema = SHOPLAKE_TRY(
      catalog_.plan_evolved_schema(tables.quarantine, ingest::table_schema(transform::quarantine_columns())));
  const transform::Layout layout = SHOPLAKE_TRY(transform::make_layout(contract, ingest::field_ids(file.schema)));
  const transform::Layout quarantine_layout =
      SHOPLAKE_TRY(transform::make_layout(transform::quarantine_columns(), ingest::field_ids(file.quarantine_schema)));
  transform::TransformOptions options;
  options.env = &app_.env();
  options.contract = &contract;
  options.layout = &layout;
  options.quarantine_layout = &quarantine_layout;
  options.data_directory = SHOPLAKE_TRY(catalog_.data_location(tables.table));
  options.quarantine_directory = SHOPLAKE_TRY(catalog_.data_location(tables.quarantine));
  options.source_object = file.raw_object;
  options.ingested_at_micros = work.now;
  options.progress = &progress;
  options.stop = stop;
  return transform::transform(file.copy->file(), work.key.name, options);
}

}  // namespace shoplake::app
