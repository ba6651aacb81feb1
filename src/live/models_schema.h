// Names of what Models keeps in its engine. Internal to models*.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "io/env.h"
#include "live/plan.h"
#include "model/lake_sql.h"

namespace shoplake::live {

// One attached database holds everything; it compresses its rows at each checkpoint.
inline constexpr const char* kDatabase = "live_rows";
inline constexpr const char* kHotSchema = "live_hot";    // hot rows with their places and key hashes
inline constexpr const char* kTickSchema = "live_tick";  // of the running batch
inline constexpr const char* kFileColumn = "_shoplake_file";
inline constexpr const char* kPositionColumn = "_shoplake_position";
inline constexpr const char* kRowColumn = "_shoplake_row";  // rowid of a hot row
inline constexpr const char* kChangeColumn = "change_count";

inline std::string spelled(const char* schema, const std::string& name) {
  return engine::quote_identifier(schema) + "." + engine::quote_identifier(name);
}

using model::join;

// "(3, '/lake/…/a.parquet')": a row of VALUES.
inline std::string numbered_path(std::int32_t number, const std::string& path) {
  return "(" + std::to_string(number) + ", " + engine::quote_literal(path) + ")";
}

// "event_date=2026-11-21/": below a table's data folder.
inline std::string partition_folder(const LiveModel& model, const std::vector<transform::PartitionValue>& values) {
  std::string folder;
  for (std::size_t index = 0; index < values.size(); ++index)
    folder += model.partition_by[index] + "=" + values[index].value_or("null") + "/";
  return folder;
}

}  // namespace shoplake::live
