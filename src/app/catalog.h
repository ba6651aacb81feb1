// `shoplake catalog`: what the lake holds, a table's shape and its history. Read-only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/app.h"
#include "base/result.h"

namespace shoplake::app {

struct RelationSummary {
  std::string name;  // "marts.dim_user"
  bool is_view = false;
  // Of tables, from the current snapshot's summary; absent where the engine that wrote it does not say.
  std::optional<std::int64_t> rows;  // without those that position deletes hide
  std::optional<std::int64_t> files;
  std::optional<std::int64_t> bytes;
  std::int64_t snapshots = 0;
  std::string updated_at;  // UTC
  std::string error;       // why the table's metadata cannot be read; empty if it can
};

struct ColumnDescription {
  std::int32_t field_id = 0;
  std::string name;
  std::string type;  // "struct<source: string, medium: string>"
  bool required = false;
  std::string doc;
};

struct RelationDescription {
  RelationSummary summary;
  std::string metadata_location;
  std::vector<std::pair<std::string, std::string>> properties;
  // Tables:
  std::string uuid;
  std::int32_t format_version = 0;
  std::string location;
  std::vector<ColumnDescription> columns;
  std::vector<std::string> partitioned_by;  // "event_date", "day(event_timestamp)"
  std::optional<std::int64_t> snapshot_id;
  std::int64_t delete_files = 0;
  // Views:
  std::string sql;
};

struct SnapshotDescription {
  std::int64_t id = 0;
  std::optional<std::int64_t> parent_id;
  std::int64_t sequence_number = 0;
  std::string committed_at;  // UTC, to the millisecond
  std::string operation;
  bool is_current = false;
  std::vector<std::string> references;  // branches and tags at it
  std::vector<std::pair<std::string, std::string>> summary;
  std::string summary_value(const std::string& name) const;  // empty if absent
  std::string source_object() const;  // the raw object whose rows came, if the snapshot names one
  // Who committed: "load", "build model.shoplake.dim_user", "live", "compaction", "rollback", the name of another
  // engine, or "another engine".
  std::string committed_by() const;
};

// `name_space` empty: all. Error catalog.no_such_namespace.
base::Result<std::vector<RelationSummary>> list_relations(App& app, const std::string& name_space);
// Errors catalog.no_such_table, catalog.invalid_name.
base::Result<RelationDescription> describe_relation(App& app, const std::string& name);
// Newest first.
base::Result<std::vector<SnapshotDescription>> table_history(App& app, const std::string& name);

}  // namespace shoplake::app
