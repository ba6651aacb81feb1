// One batch of staged rows into a table of PostgreSQL or Redshift, in one transaction of the warehouse.
//
// The rows are copied into a temporary table and applied from there by the mode. The same transaction writes the batch
// into <schema>.shoplake_batch, so that a batch is loaded once: repeated, after whatever failure, it finds its row.
// Loads of one target follow one another (the target is locked; readers of PostgreSQL go on). The schema, the control
// table, the target and its missing columns are created before, in a transaction of their own.
//
//   append   adds the rows
//   replace  takes the place of all rows; with a key, of the rows whose key is among the new ones (NULL is a value)
//   upsert   by key: updates the columns of rows that are there, inserts the others; keys must be unique and not NULL
//
// Columns of the target that the lake's table lacks keep their values (upsert) or have their defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "warehouse/column.h"
#include "warehouse/connection.h"

namespace shoplake::warehouse {

enum class Mode { append, replace, upsert };
std::string_view name(Mode mode);

struct Batch {
  Dialect dialect = Dialect::postgres;  // or redshift
  TableName target;
  std::vector<Column> columns;
  Mode mode = Mode::replace;
  std::vector<std::string> key;  // columns
  std::string id;
  std::string source;                       // "analytics.ga4_events_cleaned", for the control table
  std::optional<std::int64_t> snapshot_id;  // of a table
};

// Where the staged rows are.
struct Staged {
  std::int64_t rows = 0;
  // PostgreSQL: CSV without header, every value quoted and NULL as nothing, in pieces until an empty one.
  std::function<Result<std::string>()> read;
  // Redshift: the folder of Parquet files, "s3://bucket/prefix/", and who may read it.
  std::string url;
  std::string iam_role;  // an ARN, or "default"
  std::string region;    // of the bucket; empty: the cluster's
};

struct Outcome {
  bool is_loaded_before = false;
  std::int64_t rows_staged = 0;
  std::int64_t rows_inserted = 0;
  std::int64_t rows_updated = 0;
  std::int64_t rows_deleted = 0;
};

// Error warehouse.bad_key (kind usage): upsert without a key, append with one, a key that is no column.
Result<void> check(const Batch& batch);
// Error warehouse.bad_role, warehouse.bad_url (kind usage).
Result<void> check(const Staged& staged);

// Creates what is missing. True: the batch is loaded already, nothing is to be done. Errors: those of Connection,
// warehouse.not_a_table (kind usage).
Result<bool> prepare(Connection& connection, const Batch& batch);

// Errors: those of Connection; warehouse.null_key and warehouse.duplicate_key (input); warehouse.row_count (failed):
// the warehouse took another number of rows than were staged. After any of them nothing is changed, but for
// warehouse.commit_unknown (unknown_outcome): the connection was lost at the commit, and the same batch again finds
// out.
Result<Outcome> load(Connection& connection, const Batch& batch, const Staged& staged);

// The statements of prepare() and load() for people, of a target that does not exist yet.
std::vector<std::string> statements(const Batch& batch, const Staged& staged);

}  // namespace shoplake::warehouse
