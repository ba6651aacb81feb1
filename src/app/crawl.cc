#include "app/crawl.h"

#include <filesystem>

#include <fmt/format.h>

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

// A place as people name it, as a folder below the lake's root: "raw", "raw/events", "/…/lake/raw/events", "lake/raw".
Result<std::string> folder_of(const Home& home, const std::string& place) {
  std::string folder = place;
  while (folder.size() > 1 && folder.ends_with('/')) {
    folder.pop_back();
  }
  const std::string root = home.lake_root + "/";
  if (folder.find("://") != std::string::npos || folder.starts_with('/')) {
    if (!folder.starts_with(root)) {
      return make_error(ErrorKind::usage, "crawl.outside_the_lake",
                        fmt::format("{} is not below the lake {}", place, home.lake_root),
                        "A query reads the lake only: copy the files there, or `shoplake load` them.");
    }
    folder = folder.substr(root.size());
  }
  return folder;
}

}  // namespace

Result<crawl::CrawlReport> crawl_lake(App& app, const CrawlRequest& request) {
  const auto engine = SHOPLAKE_TRY(app.open_engine());
  crawl::CrawlOptions options;
  options.env = &app.env();
  options.catalog = SHOPLAKE_TRY(app.catalog());
  options.database = engine.get();
  options.folder = SHOPLAKE_TRY(folder_of(app.home(), request.place));
  options.policy = request.policy;
  options.progress = request.progress;
  options.stop = request.stop;
  return crawl::crawl(options);
}

Result<std::vector<crawl::Store::HistoryEntry>> crawl_history(App& app, const std::string& table) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto database = SHOPLAKE_TRY(catalog->open_control_plane());
  crawl::Store store = SHOPLAKE_TRY(crawl::Store::open(*database));
  return store.history(table);
}

Result<Registered> register_table(App& app, const RegisterRequest& request) {
  if (!request.path.ends_with(".metadata.json")) {
    return make_error(ErrorKind::usage, "register.no_metadata",
                      fmt::format("{} is no metadata file of an Iceberg table", request.path),
                      "Name …/metadata/NNNNN-….metadata.json; `shoplake catalog crawl` registers folders of Parquet.");
  }
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const catalog::TableIdentifier identifier = SHOPLAKE_TRY(catalog::parse_table_identifier(request.table));
  const bool is_local = request.path.find("://") == std::string::npos;
  const std::string path =
      is_local ? std::filesystem::absolute(request.path).lexically_normal().string() : request.path;
  const catalog::Table table = SHOPLAKE_TRY(catalog->register_table(identifier, path));
  return Registered{request.table, table.metadata_location,
                    static_cast<std::int64_t>(table.metadata->snapshots().size())};
}

}  // namespace shoplake::app
