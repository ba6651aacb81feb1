// dbt snapshots: the rows of a query kept as versions, from run to run (a slowly changing dimension of type 2). A row
// whose key is new, or that has changed, becomes a new version; the version before it gets its end.
//
// The rows are those that dbt-core gives with dbt-duckdb, but for what docs/dbt.md lists. Source:
// https://docs.getdbt.com/docs/build/snapshots
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/audit.h"
#include "model/lake.h"
#include "model/manifest.h"

namespace shoplake::model {

// {% snapshot name %} … {% endsnapshot %} of a file.
struct SnapshotBlock {
  std::string name;
  std::string text;  // between the tags
  int line = 1;      // of the opening tag
};
// Error model.snapshot (kind usage): a block that has no end, or no name.
Result<std::vector<SnapshotBlock>> snapshot_blocks(const std::string& text, const std::string& path);

// The columns that a snapshot adds to those of its query (snapshot_meta_column_names).
struct SnapshotColumns {
  std::string valid_from = "dbt_valid_from";
  std::string valid_to = "dbt_valid_to";
  std::string scd_id = "dbt_scd_id";
  std::string updated_at = "dbt_updated_at";
  std::string is_deleted = "dbt_is_deleted";  // 'True' or 'False'; with HardDeletes::new_record only
};

// What becomes of a version whose key the query no longer gives.
enum class HardDeletes {
  ignore,      // it stays open
  invalidate,  // it ends now
  new_record,  // it ends now, and a version that says deleted follows
};

struct SnapshotPlan {
  std::vector<std::string> unique_key;     // expressions on the query's columns
  std::string updated_at;                  // expression; empty: the time of the run
  bool by_timestamp = true;                // changed where updated_at is later; else where a checked column differs
  bool check_all = false;                  // every column of the query
  std::vector<std::string> check_columns;  // else these
  HardDeletes hard_deletes = HardDeletes::ignore;
  std::string valid_to_current;  // expression for the end of an open version; empty: NULL
  SnapshotColumns columns;
};
// From a node's configuration. Error model.snapshot (kind usage) says which setting is missing or wrong.
Result<SnapshotPlan> snapshot_plan(const Node& node);

struct SnapshotWrite {
  TableWrite table;  // sql: the query to take versions of
  SnapshotPlan plan;
  std::int64_t now_us = 0;  // the time of the run
  Audit* audit = nullptr;   // asked before the commit; its error is write_snapshot()'s
};
// Makes the table with the first versions, or brings what has changed into it: one commit, none if nothing has changed.
// `rows` of the result counts the rows that were written: new versions and ended ones.
// Errors: model.snapshot_target (kind failed: what exists under the name is no snapshot), model.snapshot_key (failed: a
// key is NULL or there twice), catalog.commit_conflict (see Lake::write_incremental), and those of the engine.
Result<Written> write_snapshot(Lake& lake, engine::Session& session, const SnapshotWrite& write);

}  // namespace shoplake::model
