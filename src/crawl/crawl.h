// A crawl: finds tables below a folder of the lake, their formats, columns and partitions, and brings the catalog up to
// date with them. Raw objects become external tables (external_view.h) in namespace raw; Parquet elsewhere in the lake
// becomes Iceberg tables without being rewritten (parquet_table.h).
//
// A crawl reads only objects that are new or have changed since the last one (size, time, entity tag), and of each at
// most the beginning. It may be killed anywhere and repeated at will: the catalog is changed first, what is remembered
// last, and a second run finds nothing to do.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "crawl/columns.h"
#include "crawl/store.h"
#include "engine/session.h"
#include "io/env.h"

namespace shoplake::crawl {

// What a crawl does with columns that changed.
enum class Policy {
  update,    // the table follows its objects: new columns, other types, columns that no object has any more go
  add_only,  // new columns come; types stay, columns stay
  log,       // nothing changes but what is remembered of it: the report says what would
};

struct CrawlOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  engine::Database* database = nullptr;
  std::string folder;  // below the lake's root: "raw", "processed", "raw/events"
  Policy policy = Policy::update;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

struct CrawledTable {
  std::string name;    // "raw.events"
  std::string folder;  // "raw/events"
  bool is_new = false;
  std::int64_t objects = 0;
  std::int64_t objects_read = 0;  // new or changed
  std::int64_t objects_gone = 0;
  std::int64_t partitions = 0;
  std::vector<Change> changes;           // columns and partitions; of Policy::log: what would be
  std::vector<Conflict> conflicts;       // columns that became strings
  std::vector<std::string> not_applied;  // changes that the policy does not allow, or a table cannot take
  std::vector<std::string> problems;     // objects that are no table's: "raw/x/readme: it is neither …"
  std::optional<base::Error> error;      // the table is as it was; the others are done all the same
};

struct CrawlReport {
  std::vector<CrawledTable> tables;
};

// Errors: crawl.no_such_folder (not_found), crawl.outside_the_lake (usage), those of Env and the control plane.
Result<CrawlReport> crawl(const CrawlOptions& options);

// The table's name that a folder has: the namespace is the zone's, or "curated" elsewhere; characters that names do not
// take become '_'.
Result<catalog::TableIdentifier> table_of_folder(const std::string& folder);

}  // namespace shoplake::crawl
