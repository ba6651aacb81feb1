// `shoplake warehouse`: a table of the lake into PostgreSQL or Redshift, and external tables over its files for
// Redshift Spectrum and Athena. docs/warehouse.md.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "warehouse/load.h"

namespace shoplake::app {

struct WarehouseLoadOptions {
  std::string table;  // or view: "analytics.ga4_events_cleaned"
  std::string to;     // postgresql://… or redshift://…
  std::string into;   // "schema.table"; empty: the table's own name
  warehouse::Mode mode = warehouse::Mode::replace;
  std::vector<std::string> key;
  std::string where;     // SQL over the table's columns; empty: all rows
  std::string batch_id;  // empty: of table, snapshot and `where`; a view has no snapshot and wants one
  std::string s3_root;   // Redshift: what the lake's root is in S3; empty: the lake's own, if it is there
  std::string iam_role;
  std::string region;
  bool only_statements = false;  // nothing is staged, no connection is made
  std::stop_token stop;
};

struct WarehouseLoadReport {
  warehouse::Batch batch;
  warehouse::Outcome outcome;
  std::vector<std::string> statements;  // of only_statements
  std::uint64_t staged_bytes = 0;
  std::int64_t micros = 0;
};

// Errors: of warehouse/*.h and the engine; warehouse.bad_url (usage), warehouse.no_such_table (not_found),
// warehouse.no_batch (usage): a view wants one. The stage is removed in any case.
base::Result<WarehouseLoadReport> warehouse_load(App& app, const WarehouseLoadOptions& options);

struct ExternalTableOptions {
  std::string table;
  warehouse::Dialect dialect = warehouse::Dialect::athena;  // or spectrum
  std::string into;
  std::string s3_root;
};

struct ExternalTableReport {
  std::string statement;
  std::string file_list;  // below the lake's root
  std::int64_t files = 0;
  std::int64_t rows = 0;
  std::optional<std::int64_t> snapshot_id;
};

// Writes the list of the current snapshot's files into the lake's folder external/, and gives the statement that names
// it. Errors: warehouse.has_deletes, warehouse.bad_url (usage), warehouse.no_such_table (not_found).
base::Result<ExternalTableReport> external_table(App& app, const ExternalTableOptions& options);

}  // namespace shoplake::app
