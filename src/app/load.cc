#include "app/load.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <filesystem>

#include "base/log.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/raw_object.h"
#include "ingest/registry.h"
#include "ingest/table_schema.h"
#include "transform/layout.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

// A schema that another process changed between planning and commit is planned again this often.
constexpr int kSchemaAttempts = 5;

std::string utc_day(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)));
}

Result<void> check_paths(io::Env& env, const LoadOptions& options) {
  for (const std::string& path : options.paths) {
    if (!SHOPLAKE_TRY(env.exists(path))) {
      return make_error(ErrorKind::usage, "load.no_such_file", fmt::format("There is no file {}", path),
                        "Check the path; nothing was loaded.");
    }
    if (SHOPLAKE_TRY(env.is_directory(path))) {
      return make_error(
          ErrorKind::usage, "load.is_directory", fmt::format("{} is a directory", path),
          fmt::format("Name the files in it: shoplake load {} {}", options.dataset, io::join_path(path, "*")));
    }
  }
  return {};
}

// One load of one dataset: what all its files share.
class Loader {
 public:
  static Result<std::unique_ptr<Loader>> open(App& app, const LoadOptions& options) {
    std::unique_ptr<Loader> loader(new Loader(app, options));
    loader->contract_ =
        SHOPLAKE_TRY(contract::load_contract(app.env(), app.home().datasets_directory, options.dataset));
    SHOPLAKE_TRY(check_paths(app.env(), options));
    loader->catalog_ = SHOPLAKE_TRY(app.catalog());
    loader->control_plane_ = SHOPLAKE_TRY(loader->catalog_->open_control_plane());
    SHOPLAKE_TRY(ingest::prepare_registry(*loader->control_plane_));
    const ingest::DatasetTables tables =
        SHOPLAKE_TRY(ingest::create_dataset_tables(*loader->catalog_, loader->contract_));
    loader->table_ = tables.table;
    loader->quarantine_ = tables.quarantine;
    ingest::remove_abandoned_copies(app.env(), app.home().temporary_directory);
    return loader;
  }

  const contract::Contract& contract() const { return contract_; }
  const catalog::TableIdentifier& quarantine() const { return quarantine_; }

  LoadedFile load(const std::string& path) {
    LoadedFile file;
    file.path = path;
    const std::int64_t begin = app_.env().monotonic_micros();
    Result<void> outcome = try_load(path, file);
    for (int attempt = 1;
         !outcome.ok() && outcome.error().code == "catalog.schema_changed" && attempt < kSchemaAttempts; ++attempt) {
      file = LoadedFile();
      file.path = path;
      outcome = try_load(path, file);
    }
    if (!outcome.ok()) {
      LoadedFile failed;
      failed.path = path;
      failed.status = LoadedFile::Status::failed;
      failed.error = std::move(outcome).error().within(fmt::format("load {}", path));
      file = std::move(failed);
    }
    file.micros = app_.env().monotonic_micros() - begin;
    return file;
  }

 private:
  Loader(App& app, const LoadOptions& options) : app_(app), options_(options) {}

  base::Progress& progress() { return options_.progress != nullptr ? *options_.progress : base::no_progress(); }

  // The path below the lake's root of a file in the raw zone; empty for others.
  std::string raw_object_at(const std::string& path) const {
    const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
    return absolute.starts_with(app_.home().lake_root + "/raw/") ? absolute.substr(app_.home().lake_root.size() + 1)
                                                                 : "";
  }

  static void skip(LoadedFile& file, const ingest::LoadedObject& known) {
    file.status = LoadedFile::Status::skipped;
    file.rows = file.rejected = file.data_files = file.data_bytes = 0;
    file.rejected_by_reason.clear();
    file.drift.clear();
    file.snapshot_id.reset();
    file.raw_object = known.raw_object;
    file.loaded_before_as = known.source_name;
    file.loaded_before_at_micros = known.loaded_at_micros;
  }

  Result<void> try_load(const std::string& path, LoadedFile& file) {
    io::Env& env = app_.env();
    progress().begin(fmt::format("load {}", io::file_name(path)), SHOPLAKE_TRY(env.file_size(path)),
                     base::Progress::Unit::bytes);
    struct End {
      base::Progress& progress;
      ~End() { progress.end(); }
    } end{progress()};

    const std::int64_t now = env.now_micros();
    const std::int64_t begin = env.monotonic_micros();
    const auto copy = SHOPLAKE_TRY(ingest::RawCopy::make(env, path, app_.home().temporary_directory, options_.stop));
    file.copy_micros = env.monotonic_micros() - begin;
    file.md5 = copy->md5();
    file.input_bytes = copy->size_bytes();
    const ingest::Content content{contract_.dataset, copy->md5(), copy->size_bytes()};
    if (const auto known = SHOPLAKE_TRY(ingest::find_loaded(*control_plane_, content))) {
      skip(file, *known);
      return {};
    }
    copy->begin_sync();
    // An object of the raw zone, such as a delivered one, stays where it is.
    file.raw_object = raw_object_at(path);
    if (file.raw_object.empty()) {
      file.raw_object = SHOPLAKE_TRY(
          ingest::reserve_raw_path(*control_plane_, content, utc_day(now), std::string(io::file_name(path))));
    }

    // Columns that the contract has and the table lacks are added by the same commit.
    const catalog::Schema schema =
        SHOPLAKE_TRY(catalog_->plan_evolved_schema(table_, ingest::table_schema(transform::table_columns(contract_))));
    const catalog::Schema quarantine_schema =
        SHOPLAKE_TRY(catalog_->plan_evolved_schema(quarantine_, ingest::table_schema(transform::quarantine_columns())));
    const transform::Layout layout = SHOPLAKE_TRY(transform::make_layout(contract_, ingest::field_ids(schema)));
    const transform::Layout quarantine_layout =
        SHOPLAKE_TRY(transform::make_layout(transform::quarantine_columns(), ingest::field_ids(quarantine_schema)));

    transform::TransformOptions transform_options;
    transform_options.env = &env;
    transform_options.contract = &contract_;
    transform_options.layout = &layout;
    transform_options.quarantine_layout = &quarantine_layout;
    transform_options.data_directory = SHOPLAKE_TRY(catalog_->data_location(table_));
    transform_options.quarantine_directory = SHOPLAKE_TRY(catalog_->data_location(quarantine_));
    transform_options.source_object = file.raw_object;
    transform_options.ingested_at_micros = now;
    transform_options.progress = &progress();
    transform_options.stop = options_.stop;
    transform::TransformResult result =
        SHOPLAKE_TRY(transform::transform(copy->file(), io::file_name(path), transform_options));

    const std::int64_t commit_begin = env.monotonic_micros();
    auto committed = [&]() -> Result<void> {
      SHOPLAKE_TRY(copy->place(io::join_path(app_.home().lake_root, file.raw_object)));
      return commit(path, content, now, schema, quarantine_schema, result, file);
    }();
    if (!committed.ok()) {
      // An unknown outcome may have been a commit: then the files belong to the table.
      if (committed.error().kind != ErrorKind::unknown_outcome)
        transform::discard(env, result);
      if (committed.error().code != ingest::kAlreadyLoaded)
        return committed;
      if (const auto known = SHOPLAKE_TRY(ingest::find_loaded(*control_plane_, content)))
        skip(file, *known);
      return {};
    }
    file.commit_micros = env.monotonic_micros() - commit_begin;
    file.rows = result.rows;
    file.rejected = result.rejected;
    file.rejected_by_reason = std::move(result.rejected_by_reason);
    file.drift = std::move(result.drift);
    file.drift_unlisted = result.drift_unlisted;
    file.inflated_bytes = result.inflated_bytes;
    file.data_files = static_cast<std::int64_t>(result.files.size());
    for (const transform::DataFile& data_file : result.files)
      file.data_bytes += data_file.file_size_bytes;
    file.read_seconds = result.read_seconds;
    file.parse_seconds = result.parse_seconds;
    file.write_seconds = result.write_seconds;
    base::log::info("load.committed",
                    {{"table", contract_.table}, {"file", path}, {"rows", file.rows}, {"rejected", file.rejected}});
    return {};
  }

  Result<void> commit(const std::string& path, const ingest::Content& content, std::int64_t now,
                      const catalog::Schema& schema, const catalog::Schema& quarantine_schema,
                      const transform::TransformResult& result, LoadedFile& file) {
    ingest::LoadedObject object;
    object.content = content;
    object.source_name = path;
    object.raw_object = file.raw_object;
    object.rows = result.rows;
    object.rejected = result.rejected;
    object.loaded_at_micros = now;
    const auto record = [&object](io::Database& database) { return ingest::record_loaded(database, object); };

    std::vector<catalog::TableChange> changes;
    const auto add = [&](const catalog::TableIdentifier& table, const std::vector<transform::DataFile>& files,
                         const catalog::Schema& planned, std::vector<std::string> partition_by) {
      if (files.empty())
        return;
      catalog::TableChange change;
      change.table = table;
      change.added = files;
      change.summary = {{"shoplake.source-object", file.raw_object}, {"shoplake.source-md5", content.md5}};
      change.create = catalog::CreateTable{planned, std::move(partition_by), {}, std::nullopt};
      change.evolve_to = planned;
      changes.push_back(std::move(change));
    };
    add(table_, result.files, schema, {contract_.partition_by});
    add(quarantine_, result.quarantine_files, quarantine_schema, {});
    if (changes.empty()) {  // an empty file is loaded, too
      io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane_));
      SHOPLAKE_TRY(record(*control_plane_));
      return transaction.commit();
    }
    for (const catalog::CommittedTable& committed : SHOPLAKE_TRY(catalog_->commit(changes, record))) {
      if (committed.table == table_)
        file.snapshot_id = committed.snapshot_id;
    }
    return {};
  }

  App& app_;
  const LoadOptions& options_;
  contract::Contract contract_;
  catalog::Catalog* catalog_ = nullptr;
  std::unique_ptr<io::Database> control_plane_;
  catalog::TableIdentifier table_;
  catalog::TableIdentifier quarantine_;
};

}  // namespace

std::int64_t LoadReport::rows() const {
  std::int64_t total = 0;
  for (const LoadedFile& file : files)
    total += file.rows;
  return total;
}

std::int64_t LoadReport::rejected() const {
  std::int64_t total = 0;
  for (const LoadedFile& file : files)
    total += file.rejected;
  return total;
}

const base::Error* LoadReport::first_error() const {
  for (const LoadedFile& file : files) {
    if (file.error)
      return &*file.error;
  }
  return nullptr;
}

base::Result<LoadReport> load(App& app, const LoadOptions& options) {
  const std::int64_t begin = app.env().monotonic_micros();
  const auto loader = SHOPLAKE_TRY(Loader::open(app, options));
  LoadReport report;
  report.dataset = options.dataset;
  report.table = loader->contract().table;
  report.quarantine_table = catalog::to_string(loader->quarantine());
  if (options.on_begin) {
    std::uint64_t bytes = 0;
    for (const std::string& path : options.paths)
      bytes += app.env().file_size(path).value_or(0);
    options.on_begin(report, bytes);
  }
  for (const std::string& path : options.paths) {
    report.files.push_back(loader->load(path));
    if (options.on_file)
      options.on_file(report.files.back());
    // An interruption or a full disk will not be better for the next file.
    const auto& error = report.files.back().error;
    if (error && error->kind != ErrorKind::input)
      break;
  }
  report.micros = app.env().monotonic_micros() - begin;
  return report;
}

}  // namespace shoplake::app
