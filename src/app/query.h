// `shoplake query`: one reading statement over the lake, as a table for people or as bytes. Everything a query may not
// do is refused before it runs (query/runner.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"

namespace shoplake::app {

struct QueryOptions {
  std::string sql;
  std::string at;  // a snapshot or a time; empty: now
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

// The answer for people: its first and last rows.
struct QueryTable {
  struct Column {
    std::string name;
    std::string type;
    bool is_number = false;
  };
  using Row = std::vector<std::optional<std::string>>;  // no value for NULL

  std::vector<Column> columns;
  std::vector<Row> first;
  std::vector<Row> last;  // where rows between were left out
  std::int64_t row_count = 0;
};

// At most `rows_max` rows are taken (0: all), half of them from the end.
base::Result<QueryTable> query_table(App& app, const QueryOptions& options, std::int64_t rows_max);

enum class QueryFormat { csv, json, parquet };

// Hands the answer over in pieces; returns its rows.
base::Result<std::int64_t> query_bytes(App& app, const QueryOptions& options, QueryFormat format,
                                       const std::function<base::Result<void>(std::string_view)>& output);

// The same into a file, which appears whole or not at all.
base::Result<std::int64_t> query_file(App& app, const QueryOptions& options, QueryFormat format,
                                      const std::string& path);

}  // namespace shoplake::app
