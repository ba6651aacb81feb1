// `shoplake catalog crawl|register`: tables of what lies in the lake. Use cases for the command line, and for flows.
#pragma once

#include <stop_token>
#include <string>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"
#include "crawl/crawl.h"

namespace shoplake::app {

struct CrawlRequest {
  std::string place;  // a zone ("raw"), a folder below the lake ("raw/events"), or its path
  crawl::Policy policy = crawl::Policy::update;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};
base::Result<crawl::CrawlReport> crawl_lake(App& app, const CrawlRequest& request);

// The changes that crawls made to a table, oldest first.
base::Result<std::vector<crawl::Store::HistoryEntry>> crawl_history(App& app, const std::string& table);

struct RegisterRequest {
  std::string table;  // "marts.x"
  std::string path;   // an Iceberg metadata file below the lake
};
struct Registered {
  std::string table;
  std::string metadata_location;
  std::int64_t snapshots = 0;
};
// Error register.no_metadata (usage): the path is no metadata file; those of the catalog.
base::Result<Registered> register_table(App& app, const RegisterRequest& request);

}  // namespace shoplake::app
