#include "crawl/crawl.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <span>

#include <fmt/format.h>

#include "crawl/external_view.h"
#include "crawl/parquet_table.h"
#include "crawl/sample.h"
#include "io/parallel.h"

namespace shoplake::crawl {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr const char* kFolderProperty = "shoplake.external-folder";
constexpr std::size_t kSamplesAtOnce = 240;
constexpr std::size_t kProblemsMax = 100;  // of one table that a report names

std::string first_part(const std::string& folder) { return folder.substr(0, folder.find('/')); }

// What became of columns, as changes.
std::vector<Change> column_changes(const Columns& before, const Columns& after) {
  std::vector<Change> changes;
  for (const Column& column : after) {
    const Column* old = find_column(before, column.name);
    if (old == nullptr) {
      changes.push_back({"column_added", fmt::format("{} {}", column.name, to_text(column.type))});
    } else if (old->type != column.type) {
      changes.push_back(
          {"type_changed", fmt::format("{} from {} to {}", column.name, to_text(old->type), to_text(column.type))});
    }
  }
  for (const Column& column : before) {
    if (find_column(after, column.name) == nullptr) {
      changes.push_back({"column_gone", fmt::format("{} {}", column.name, to_text(column.type))});
    }
  }
  return changes;
}

// One table of a crawl.
class TableCrawl {
 public:
  TableCrawl(const CrawlOptions& options, Store& store, engine::Session& session, std::string folder,
             catalog::TableIdentifier table)
      : options_(options), store_(store), session_(session), table_(std::move(table)) {
    report_.folder = std::move(folder);
    report_.name = catalog::to_string(table_);
    path_ = io::join_path(options_.catalog->options().lake_root, report_.folder);
  }

  CrawledTable run() {
    auto outcome = crawl();
    if (!outcome.ok()) {
      report_.error = std::move(outcome).error();
    }
    return std::move(report_);
  }

 private:
  Result<void> crawl() {
    auto known = SHOPLAKE_TRY(store_.load(report_.name));
    report_.is_new = !known.has_value();
    if (known) {
      before_ = *known;
      state_ = std::move(*known);
    }
    state_.folder = report_.folder;
    SHOPLAKE_TRY(look());
    SHOPLAKE_TRY(read_changed());
    note_partitions();
    SHOPLAKE_TRY(decide_columns());
    if (!has_tables()) {
      return report_.is_new ? Result<void>() : forget();
    }
    if (options_.policy != Policy::log) {
      SHOPLAKE_TRY(apply());
    }
    if (report_.is_new) {
      report_.changes.insert(report_.changes.begin(), {"table_added", report_.folder});
    }
    if (options_.policy == Policy::log) {
      return {};  // the next crawl sees the same again
    }
    const bool is_changed = report_.is_new || !written_.empty() || !removed_.empty() || !report_.changes.empty();
    if (!is_changed) {
      return {};
    }
    return store_.save({.table = report_.name,
                        .state = &state_,
                        .removed_objects = removed_,
                        .written_objects = written_,
                        .changes = report_.changes,
                        .now_micros = options_.env->now_micros()});
  }

  // No object is left that a table can be made of.
  Result<void> forget() {
    report_.changes.insert(report_.changes.begin(), {"table_gone", report_.folder});
    if (options_.policy == Policy::add_only) {
      report_.not_applied.push_back("table_gone: " + report_.folder);
    }
    if (options_.policy != Policy::update) {
      return {};
    }
    auto dropped = is_raw() ? options_.catalog->drop_view(table_) : options_.catalog->drop_table(table_);
    if (!dropped.ok() && dropped.error().kind != ErrorKind::not_found) {
      return dropped;
    }
    return store_.remove(report_.name, report_.changes, options_.env->now_micros());
  }

  bool is_raw() const { return first_part(report_.folder) == "raw"; }

  // What is new, changed or gone since the last crawl.
  Result<void> look() {
    std::set<std::string> seen;
    std::vector<Object> objects;
    if (SHOPLAKE_TRY(options_.env->exists(path_))) {
      objects = SHOPLAKE_TRY(list_objects(*options_.env, path_));
    }
    for (Object& object : objects) {
      seen.insert(object.path);
      const auto known = state_.objects.find(object.path);
      if (known != state_.objects.end() && known->second.object.bytes == object.bytes &&
          known->second.object.modified_micros == object.modified_micros &&
          known->second.object.entity_tag == object.entity_tag) {
        continue;
      }
      written_.push_back(object.path);
      std::string path = object.path;
      state_.objects[std::move(path)].object = std::move(object);
    }
    for (auto known = state_.objects.begin(); known != state_.objects.end();) {
      if (seen.contains(known->first)) {
        ++known;
      } else {
        removed_.push_back(known->first);
        known = state_.objects.erase(known);
      }
    }
    report_.objects = static_cast<std::int64_t>(state_.objects.size());
    report_.objects_read = static_cast<std::int64_t>(written_.size());
    report_.objects_gone = static_cast<std::int64_t>(removed_.size());
    return {};
  }

  Result<void> read_changed() {
    base::Progress& progress = options_.progress != nullptr ? *options_.progress : base::no_progress();
    progress.begin("crawl " + report_.folder, written_.size(), base::Progress::Unit::items);
    std::uint64_t done = 0;
    std::vector<std::string> parquet;
    std::vector<std::string> parquet_paths;
    auto outcome = [&]() -> Result<void> {
      for (std::size_t begin = 0; begin < written_.size(); begin += kSamplesAtOnce) {
        const std::span<const std::string> paths =
            std::span(written_).subspan(begin, std::min(kSamplesAtOnce, written_.size() - begin));
        std::vector<Sample> samples = SHOPLAKE_TRY(take_samples(paths));
        for (std::size_t index = 0; index < paths.size(); ++index) {
          const std::string& path = paths[index];
          KnownObject& known = state_.objects.at(path);
          Sample& sample = samples[index];
          known.format = sample.format;
          known.is_gzip = sample.is_gzip;
          known.delimiter = sample.delimiter;
          known.has_header = sample.has_header;
          known.columns = std::move(sample.columns);
          known.problem = std::move(sample.problem);
          add_conflicts(sample.conflicts);
          if (known.format == Format::parquet) {
            parquet.push_back(path);
            parquet_paths.push_back(io::join_path(path_, path));
          }
        }
        progress.update(done += paths.size());
      }
      const std::vector<Footer> footers = SHOPLAKE_TRY(read_footers(session_, parquet_paths));
      for (std::size_t index = 0; index < footers.size(); ++index) {
        KnownObject& known = state_.objects.at(parquet[index]);
        known.columns = footers[index].columns;
        known.problem = footers[index].problem;
        known.format = known.problem.empty() ? Format::parquet : Format::unknown;
      }
      return {};
    }();
    progress.end();
    SHOPLAKE_TRY(std::move(outcome));
    for (const auto& [path, known] : state_.objects) {
      if (!known.problem.empty() && report_.problems.size() < kProblemsMax) {
        report_.problems.push_back(fmt::format("{}/{}: {}", report_.folder, path, known.problem));
      }
    }
    return {};
  }

  // On several threads: of an object store each begin of an object is a request to wait for.
  Result<std::vector<Sample>> take_samples(std::span<const std::string> paths) const {
    std::vector<Sample> samples(paths.size());
    std::vector<std::size_t> indices(paths.size());
    std::iota(indices.begin(), indices.end(), std::size_t{0});
    SHOPLAKE_TRY(io::for_each_in_parallel(indices, [&](std::size_t index) -> Result<void> {
      if (options_.stop.stop_requested()) {
        return make_error(ErrorKind::cancelled, "crawl.interrupted", "interrupted");
      }
      samples[index] = SHOPLAKE_TRY(sample_object(*options_.env, io::join_path(path_, paths[index])));
      return {};
    }));
    return samples;
  }

  void add_conflicts(const std::vector<Conflict>& conflicts) {
    for (const Conflict& conflict : conflicts) {
      const bool is_known = std::any_of(report_.conflicts.begin(), report_.conflicts.end(), [&](const Conflict& other) {
        return other.column == conflict.column && other.what == conflict.what;
      });
      if (!is_known) {
        report_.conflicts.push_back(conflict);
      }
    }
  }

  void note_partitions() {
    std::set<std::string> partitions;
    for (const auto& [path, known] : state_.objects) {
      if (std::string folder = partition_folder(path); !folder.empty()) {
        partitions.insert(std::move(folder));
      }
    }
    report_.partitions = static_cast<std::int64_t>(partitions.size());
    for (const std::string& partition : partitions) {
      if (!std::binary_search(before_.partitions.begin(), before_.partitions.end(), partition)) {
        report_.changes.push_back({"partition_added", partition});
      }
    }
    for (const std::string& partition : before_.partitions) {
      if (!partitions.contains(partition)) {
        report_.changes.push_back({"partition_gone", partition});
      }
    }
    state_.partitions.assign(partitions.begin(), partitions.end());
  }

  // All objects together, in the order of the table's columns.
  Result<void> decide_columns() {
    Columns seen;
    std::vector<Conflict> conflicts;
    std::set<std::string> merged;  // columns that many objects share are merged once
    for (const auto& [path, known] : state_.objects) {
      if (known.format != Format::unknown && merged.insert(columns_to_json(known.columns)).second) {
        seen = merge_columns(seen, known.columns, conflicts);
      }
    }
    add_conflicts(conflicts);
    seen = settled(std::move(seen));
    Columns ordered;
    for (const Column& column : before_.columns) {
      if (const Column* same = find_column(seen, column.name); same != nullptr) {
        ordered.push_back({column.name, same->type});
      }
    }
    for (const Column& column : seen) {
      if (find_column(ordered, column.name) == nullptr) {
        ordered.push_back(column);
      }
    }
    const std::vector<Change> wanted = column_changes(before_.columns, ordered);
    if (options_.policy != Policy::add_only) {
      state_.columns = std::move(ordered);
      report_.changes.insert(report_.changes.end(), wanted.begin(), wanted.end());
      return {};
    }
    state_.columns = before_.columns;
    for (const Column& column : ordered) {
      if (find_column(state_.columns, column.name) == nullptr) {
        state_.columns.push_back(column);
      }
    }
    for (const Change& change : wanted) {
      if (change.kind == "column_added") {
        report_.changes.push_back(change);
      } else {
        report_.not_applied.push_back(change.kind + ": " + change.detail);
      }
    }
    return {};
  }

  bool has_tables() const {
    return std::any_of(state_.objects.begin(), state_.objects.end(),
                       [](const auto& object) { return object.second.format != Format::unknown; });
  }

  Result<void> apply() { return is_raw() ? apply_view() : apply_parquet(); }

  Result<void> apply_view() {
    const ExternalView view = external_view(path_, state_);
    if (const auto current = options_.catalog->load_view(table_); current.ok()) {
      const auto folder = current->properties.find(kFolderProperty);
      if (folder == current->properties.end()) {
        return make_error(ErrorKind::failed, "crawl.not_registered",
                          fmt::format("{} is a view that a crawl has not made", report_.name), "Drop it first.");
      }
      if (current->sql == view.sql) {
        return {};
      }
    }
    return options_.catalog->replace_view(
        table_, view.sql, {{kFolderProperty, report_.folder}, {"comment", "raw objects of " + report_.folder}});
  }

  Result<void> apply_parquet() {
    ParquetTable parquet;
    parquet.catalog = options_.catalog;
    parquet.session = &session_;
    parquet.table = table_;
    parquet.folder = path_;
    parquet.state = &state_;
    parquet.added = written_;
    parquet.removed = removed_;
    for (const std::string& path : written_) {
      if (before_.objects.contains(path)) {
        parquet.removed.push_back(path);  // its content changed
      }
    }
    for (const auto& [path, known] : state_.objects) {
      if (known.format != Format::parquet && known.format != Format::unknown) {
        report_.problems.push_back(fmt::format("{}/{}: it is {}; outside of raw only Parquet becomes a table",
                                               report_.folder, path, name(known.format)));
      }
    }
    if (written_.empty() && parquet.removed.empty()) {
      return {};
    }
    return register_parquet(parquet);
  }

  const CrawlOptions& options_;
  Store& store_;
  engine::Session& session_;
  catalog::TableIdentifier table_;
  std::string path_;  // absolute
  TableState before_;
  TableState state_;
  std::vector<std::string> written_;
  std::vector<std::string> removed_;
  CrawledTable report_;
};

// Whether a folder is an Iceberg table's own, or what is left of one that was never committed: the catalog's business.
Result<bool> is_iceberg(io::Env& env, const std::string& folder) {
  const bool has_metadata = SHOPLAKE_TRY(env.exists(io::join_path(folder, "metadata")));
  return has_metadata || SHOPLAKE_TRY(env.exists(io::join_path(folder, "data")));
}

// The folders that are tables: the folder itself if it holds objects or partitions, else each of its folders.
Result<std::vector<std::string>> table_folders(const CrawlOptions& options) {
  io::Env& env = *options.env;
  const std::string& root = options.catalog->options().lake_root;
  const std::string path = io::join_path(root, options.folder);
  std::vector<std::string> folders;
  bool has_own = false;
  const bool is_zone = options.folder.find('/') == std::string::npos;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(path))) {
    if (entry.name.starts_with('.') || entry.name.starts_with('_')) {
      continue;
    }
    if (!entry.is_directory || entry.name.find('=') != std::string::npos) {
      has_own = true;
      continue;
    }
    const std::string folder = io::join_path(options.folder, entry.name);
    if (folder.starts_with("raw/") || !SHOPLAKE_TRY(is_iceberg(env, io::join_path(root, folder)))) {
      folders.push_back(folder);
    }
  }
  if (!is_zone && (has_own || folders.empty())) {
    return std::vector<std::string>{options.folder};
  }
  return folders;
}

// Folders that an earlier crawl made tables of and that are no longer there.
Result<void> add_vanished(const CrawlOptions& options, Store& store, std::vector<std::string>& folders) {
  for (const std::string& table : SHOPLAKE_TRY(store.tables())) {
    const auto state = SHOPLAKE_TRY(store.load(table));
    if (state && (state->folder == options.folder || state->folder.starts_with(options.folder + "/")) &&
        std::find(folders.begin(), folders.end(), state->folder) == folders.end()) {
      folders.push_back(state->folder);
    }
  }
  std::sort(folders.begin(), folders.end());
  return {};
}

}  // namespace

Result<catalog::TableIdentifier> table_of_folder(const std::string& folder) {
  const std::string zone = first_part(folder);
  const bool is_zone = zone == "raw" || zone == "processed" || zone == "curated" || zone == "quarantine";
  std::string name;
  for (const char c : is_zone&& folder.size() > zone.size() ? folder.substr(zone.size() + 1) : folder) {
    name.push_back(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ? c : '_');
  }
  if (name.empty()) {
    return make_error(ErrorKind::usage, "crawl.no_table", "\"" + folder + "\" names no table's folder");
  }
  return catalog::TableIdentifier{{{is_zone ? zone : "curated"}}, std::move(name)};
}

Result<CrawlReport> crawl(const CrawlOptions& options) {
  io::Env& env = *options.env;
  const std::string path = io::join_path(options.catalog->options().lake_root, options.folder);
  if (options.folder.empty() || options.folder.starts_with('/') || options.folder.find("..") != std::string::npos) {
    return make_error(ErrorKind::usage, "crawl.outside_the_lake", "\"" + options.folder + "\" is no folder of the lake",
                      "Name a zone (raw, processed) or a folder below the lake.");
  }
  if (!SHOPLAKE_TRY(env.is_directory(path))) {
    return make_error(ErrorKind::not_found, "crawl.no_such_folder", "there is no folder " + path);
  }
  const auto database = SHOPLAKE_TRY(options.catalog->open_control_plane());
  Store store = SHOPLAKE_TRY(Store::open(*database));
  const auto session = SHOPLAKE_TRY(options.database->connect());
  std::vector<std::string> folders = SHOPLAKE_TRY(table_folders(options));
  SHOPLAKE_TRY(add_vanished(options, store, folders));
  CrawlReport report;
  for (const std::string& folder : folders) {
    catalog::TableIdentifier table = SHOPLAKE_TRY(table_of_folder(folder));
    const std::string name = catalog::to_string(table);
    if (first_part(folder) != "raw" && SHOPLAKE_TRY(options.catalog->table_exists(table))) {
      const catalog::Table current = SHOPLAKE_TRY(options.catalog->load_table(table));
      if (current.metadata->property(kRegisteredProperty) != folder) {
        continue;  // a table that shoplake or another engine writes
      }
    }
    if (options.stop.stop_requested()) {
      return make_error(ErrorKind::cancelled, "crawl.interrupted", "interrupted");
    }
    report.tables.push_back(TableCrawl(options, store, *session, folder, std::move(table)).run());
  }
  return report;
}

}  // namespace shoplake::crawl
