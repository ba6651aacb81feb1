// The dashboard's figures as a JSON API: six blocks, each a documented SQL statement over the marts, answered from
// memory while the tables behind it are the same. docs/http_api.md describes requests and answers.
//
//   GET /api/freshness                        is the lake fresh and complete, what is in it
//   GET /api/{summary,series,channels,funnel,retention}?from=&to=&channel=…&event=&format=json|csv
//
// Thread safe, if Lake is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/session.h"
#include "http/message.h"
#include "io/env.h"

namespace shoplake::serve {

// A table of the lake as of now. Two states of equal metadata_location hold the same rows.
struct TableVersion {
  std::string name;  // "marts.fact_sessions"
  std::string metadata_location;
  std::int64_t snapshot_id = 0;    // 0: it has none
  std::int64_t written_at_ms = 0;  // of the current snapshot
};

struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<engine::Value>> rows;
};

// What the dashboard asks of the lake. Thread safe.
class Lake {
 public:
  virtual ~Lake() = default;
  // Those of the named tables that exist, all as of one moment, in the order asked for.
  virtual base::Result<std::vector<TableVersion>> versions(std::span<const std::string> tables) = 0;
  // Runs one SELECT over the lake's tables.
  virtual base::Result<Rows> query(const std::string& sql) = 0;
  // Rows of a table, and the greatest value of a column of 64-bit integers or of timestamps in microseconds, as the
  // catalog's account of its files has them: no file is read. None where that does not say: the table has deleted rows,
  // or files without bounds.
  struct Contents {
    std::int64_t rows = 0;
    std::int64_t greatest = 0;  // 0 without rows
  };
  virtual base::Result<std::optional<Contents>> contents(std::string_view table, std::string_view column) = 0;
};

struct DashboardOptions {
  std::int64_t stale_after_seconds = 48 * 3600;  // age of the newest event at which the light turns yellow
  std::string shoplake_version;
  std::size_t cached_answers_max = 512;
  std::uint64_t cached_bytes_max = 64ull << 20;
};

class Dashboard {
 public:
  Dashboard(io::Env& env, Lake& lake, DashboardOptions options);
  ~Dashboard();

  // Answers /api/freshness or one block; `name` is what follows "/api/".
  http::Response respond(std::string_view name, const http::Request& request);

  // The blocks' names, and the tables they read.
  static std::vector<std::string> names();
  static std::vector<std::string> tables();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::serve
