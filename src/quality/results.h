// quality.results: what every rule said in every run, an Iceberg table that users query like any other. Its columns are
// in docs/formats/quality_results.md.
//
// Appends never conflict. Each run adds one small file; when kFilesBeforeMerge have gathered, the run that finds them
// merges them into one and leaves out what is older than kRetentionDays. Killed in between, the table is as it was.
//
// Not thread safe; several processes may use the table at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "quality/evaluator.h"

namespace shoplake::quality {

inline constexpr std::size_t kFilesBeforeMerge = 32;
inline constexpr std::int64_t kRetentionDays = 400;
inline constexpr std::int64_t kSnapshotsKept = 8;

// The rules of one table, evaluated once.
struct TableRun {
  std::string table;
  std::optional<std::int64_t> snapshot_id;  // whose rows they were; none for rows that were not committed yet
  bool is_published = true;                 // false: a block rule kept the rows out
  std::vector<RuleResult> results;
};

struct Run {
  std::string id;  // a UUID
  std::int64_t at_micros = 0;
  std::string triggered_by;  // "quality run", "build", "load"
  std::vector<TableRun> tables;
};

// One row.
struct StoredResult {
  std::string run_id;
  std::int64_t run_at_micros = 0;
  std::string triggered_by;
  std::string table;
  std::optional<std::int64_t> snapshot_id;
  bool is_published = true;
  std::string rule_name;
  std::string rule;
  std::string severity;
  std::string outcome;
  std::string metric;
  std::optional<double> value;
  std::string expected;
  std::string message;
  std::optional<std::int64_t> failed_rows;
  std::string examples;  // a JSON list
  double duration_ms = 0;
};

class ResultsTable {
 public:
  ResultsTable(io::Env& env, catalog::Catalog& catalog) : env_(env), catalog_(catalog) {}

  static catalog::TableIdentifier identifier();

  // The rows of a run in a durable data file, for a commit of the caller's that may hold other tables too. No value:
  // the run has no rows.
  Result<std::optional<catalog::TableChange>> write(engine::Session& session, const Run& run);
  // The same, committed; then merges the table's files if it is time.
  Result<void> append(engine::Session& session, const Run& run);
  // Merges the small files if there are many, and forgets what is past its retention. What another process did
  // meanwhile is left to it.
  Result<void> maintain(engine::Session& session);

  // A metric of a table in its last runs whose rows were published, newest first.
  Result<std::vector<double>> history(engine::Session& session, std::string_view table, std::string_view metric,
                                      std::int64_t runs);

  // The newest result of every rule of every table (or of one), by table and in the order of the rules.
  Result<std::vector<StoredResult>> latest(engine::Session& session, std::string_view table = {});
  // Of one table, newest first.
  Result<std::vector<StoredResult>> of_table(engine::Session& session, std::string_view table, std::int64_t rows_max);
  // Of the run whose id begins so; of the newest of several.
  Result<std::vector<StoredResult>> of_run(engine::Session& session, std::string_view run_id);

 private:
  Result<catalog::Table> open_table();
  Result<std::optional<std::string>> scan();
  Result<std::vector<StoredResult>> read(engine::Session& session, const std::string& condition,
                                         const std::string& order);

  io::Env& env_;
  catalog::Catalog& catalog_;
};

}  // namespace shoplake::quality
