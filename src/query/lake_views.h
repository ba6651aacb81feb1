// The lake's tables and views in an engine session: each a DuckDB view <namespace>.<name>, made when a statement first
// needs it, all from one reading of the catalog, so that everything a session sees is of one moment. A table's view is
// iceberg_scan() of its metadata file, or its data files, where they are known to say the same; a view's is its SQL,
// and the tables that names come with it. Names without a namespace are looked up in marts, intermediate, staging,
// curated, processed, raw, quarantine, then the others. Belongs to its session's thread. Must be used before
// Database::lock_down(), which would refuse new views nothing, but ends settings.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "query/point_in_time.h"

namespace shoplake::query {

using base::Result;

enum class TableReader { iceberg_scan, files };

class LakeViews {
 public:
  // Reads the catalog once. With `at`, tables are as they were then (a snapshot stands for its moment); views are
  // today's SQL.
  static Result<LakeViews> open(engine::Session& session, catalog::Catalog& catalog,
                                std::optional<PointInTime> at = std::nullopt,
                                TableReader reader = TableReader::iceberg_scan);

  // Makes what the statement reads; names that the catalog does not know are left to the engine. Error:
  // query.no_such_snapshot (kind not_found) where a table did not exist at that time.
  Result<void> prepare(std::string_view sql);

  // Tables that `sql` names and that neither the lake nor the engine's own schemas can hold: ("marts.fact_event").
  Result<std::vector<std::string>> unknown_tables(std::string_view sql);

  // All tables and views, "marts.x", sorted.
  std::vector<std::string> names() const;

 private:
  struct Entry {
    std::string schema;
    std::string name;
    std::string metadata_location;  // of a table
    std::string sql;                // of a view
    bool is_created = false;
  };

  LakeViews(engine::Session& session, catalog::Catalog& catalog) : session_(&session), catalog_(&catalog) {}
  Result<void> create_schemas(const std::vector<std::string>& schemas);
  Result<void> resolve_snapshot(SnapshotId snapshot);
  Result<void> create(Entry& entry);
  Result<std::string> scan_of(const Entry& entry);
  Entry* find(std::string_view name);

  engine::Session* session_;
  catalog::Catalog* catalog_;
  TableReader reader_ = TableReader::iceberg_scan;
  std::optional<Moment> at_;
  std::optional<std::pair<std::string, std::int64_t>> exact_;  // the table, by metadata file, whose snapshot was named
  std::map<std::string, Entry> entries_;                       // by "schema.name" in lower case
  std::vector<std::string> search_path_;                       // lower case
};

}  // namespace shoplake::query
