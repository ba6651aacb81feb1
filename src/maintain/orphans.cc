#include "maintain/orphans.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace shoplake::maintain {
namespace {

constexpr const char* kTableZones[] = {"processed", "curated", "quarantine"};
constexpr const char* kTableFolders[] = {"data", "metadata"};

// All files below a folder; a folder that is not there has none.
Result<std::vector<OrphanFile>> list_below(io::Env& env, const std::string& folder) {
  const auto listed = env.list_tree(folder);
  if (!listed.ok() && listed.error().kind != base::ErrorKind::not_found) {
    return listed.error();
  }
  std::vector<OrphanFile> files;
  if (listed.ok()) {
    for (const io::DirectoryEntry& file : *listed) {
      files.push_back({io::join_path(folder, file.name), file.size_bytes, file.modified_micros});
    }
  }
  return files;
}

// Whether a path below a zone is where shoplake puts a table's files: <table>/{data,metadata}/… What begins with an
// underscore is no table: rejected files of a dataset that is called "data" lie in quarantine/_files/data.
bool is_of_a_table(std::string_view path) {
  const std::size_t table_end = path.find('/');
  if (table_end == std::string_view::npos || path.starts_with('_')) {
    return false;
  }
  const std::string_view rest = path.substr(table_end + 1);
  return std::ranges::any_of(kTableFolders, [&](const char* folder) {
    return rest.starts_with(folder) && rest.substr(std::string_view(folder).size()).starts_with('/');
  });
}

Result<std::vector<OrphanFile>> list_candidates(const OrphanOptions& options) {
  const std::string& lake_root = options.catalog->options().lake_root;
  std::vector<OrphanFile> files;
  for (const char* zone : kTableZones) {
    const std::string folder = io::join_path(lake_root, zone);
    for (OrphanFile& file : SHOPLAKE_TRY(list_below(*options.env, folder))) {
      if (is_of_a_table(std::string_view(file.path).substr(folder.size() + 1))) {
        files.push_back(std::move(file));
      }
    }
  }
  if (!options.temporary_directory.empty()) {
    const std::vector<OrphanFile> abandoned = SHOPLAKE_TRY(list_below(*options.env, options.temporary_directory));
    files.insert(files.end(), abandoned.begin(), abandoned.end());
  }
  return files;
}

// What is waiting to be removed after expiry is not an orphan: readers may need it until its time comes.
Result<void> add_retired(catalog::Catalog& catalog, std::unordered_set<std::string>& named) {
  const auto database = SHOPLAKE_TRY(catalog.open_control_plane());
  auto select = SHOPLAKE_TRY(database->prepare("SELECT path FROM catalog_retired_files"));
  while (SHOPLAKE_TRY(select.step())) {
    named.insert(select.text(0));
  }
  return {};
}

}  // namespace

Result<OrphanReport> remove_orphans(const OrphanOptions& options) {
  OrphanReport report;
  io::Env& env = *options.env;
  const std::int64_t oldest = env.now_micros() - options.older_than_micros;
  std::vector<OrphanFile> files = SHOPLAKE_TRY(list_candidates(options));
  report.files_looked_at = static_cast<std::int64_t>(files.size());

  const catalog::Catalog::Snapshot snapshot = SHOPLAKE_TRY(options.catalog->snapshot());
  std::unordered_set<std::string> named;
  base::Progress& progress = options.progress != nullptr ? *options.progress : base::no_progress();
  progress.begin("read the metadata of all tables", snapshot.tables.size(), base::Progress::Unit::items);
  for (const auto& [identifier, metadata_location] : snapshot.tables) {
    auto table = options.catalog->load_table(identifier);
    if (!table.ok() && table.error().kind == base::ErrorKind::not_found &&
        table.error().code == "catalog.no_such_table") {
      continue;  // dropped meanwhile
    }
    auto paths =
        table.ok() ? options.catalog->list_named_files(*table) : Result<std::vector<std::string>>(table.error());
    if (!paths.ok()) {
      progress.end();
      return std::move(paths).error().within("files of " + catalog::to_string(identifier));
    }
    named.insert(paths->begin(), paths->end());
    progress.update(static_cast<std::uint64_t>(++report.tables));
    if (options.stop.stop_requested()) {
      progress.end();
      return base::make_error(base::ErrorKind::cancelled, "maintain.interrupted", "interrupted; nothing was removed");
    }
  }
  progress.end();
  for (const catalog::View& view : snapshot.views) {
    named.insert(view.metadata_location);
  }
  SHOPLAKE_TRY(add_retired(*options.catalog, named));

  for (OrphanFile& file : files) {
    if (named.contains(file.path)) {
      continue;
    }
    if (file.modified_micros > oldest) {
      ++report.too_young;
      continue;
    }
    if (!options.dry_run) {
      const auto removed = env.remove_file(file.path);
      if (!removed.ok() && removed.error().kind != base::ErrorKind::not_found) {
        report.not_removed.push_back(file.path + ": " + removed.error().message);
        continue;
      }
    }
    report.bytes += file.bytes;
    report.orphans.push_back(std::move(file));
  }
  std::sort(report.orphans.begin(), report.orphans.end(),
            [](const OrphanFile& left, const OrphanFile& right) { return left.path < right.path; });
  return report;
}

}  // namespace shoplake::maintain
