// The ledger of usage in the control plane: how much of each meter each stage used on each day, and what queries
// scanned. Quantities only; prices are applied when a report is made, so that a corrected price corrects the past.
//
// Bounded: one row a day, stage and meter; at most kQueriesMax queries; all of it for kDaysKept days.
//
// Tables: cost_usage, cost_queries (docs/formats/home.md). Errors: those of io::Database. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::cost {

inline constexpr std::int64_t kDaysKept = 400;
inline constexpr std::int64_t kQueriesMax = 100'000;
inline constexpr std::size_t kShapeBytesMax = 300;

struct Usage {
  std::int64_t day = 0;  // since 1970-01-01, UTC
  std::string stage;     // "collect", "deliver", "live", "load", "build", "query", …
  std::string meter;     // cost/prices.h
  double quantity = 0;
};

struct QueryUsage {
  std::int64_t at_micros = 0;
  std::string source;  // "cli", "api"
  std::string shape;   // query_shape() of its text
  std::int64_t scanned_bytes = 0;
  std::int64_t took_micros = 0;
};

// Queries of one shape.
struct QueryGroup {
  std::string shape;
  std::int64_t count = 0;
  double scanned_bytes = 0;
  double billed_bytes = 0;  // each query with its minimum
  std::int64_t took_micros = 0;
  std::int64_t last_micros = 0;
};

class Ledger {
 public:
  static base::Result<std::unique_ptr<Ledger>> open(const std::string& control_plane);

  // Adds to what the day has. One transaction.
  base::Result<void> add(std::span<const Usage> usage);
  base::Result<void> add(const QueryUsage& query);

  // From the first to the last day, both included; by day, stage, meter.
  base::Result<std::vector<Usage>> usage(std::int64_t first_day, std::int64_t last_day);
  // The same days; those that scanned most first. `minimum_bytes`: what each query is billed at least.
  base::Result<std::vector<QueryGroup>> queries(std::int64_t first_day, std::int64_t last_day, double minimum_bytes,
                                                std::int64_t rows_max);

 private:
  explicit Ledger(std::unique_ptr<io::Database> database) : database_(std::move(database)) {}
  std::unique_ptr<io::Database> database_;
};

// The statement with ? in the place of texts and numbers, white space made one, cut at kShapeBytesMax: what may be
// kept, and what queries are grouped by.
std::string query_shape(std::string_view sql);

}  // namespace shoplake::cost
