// Between DuckDB's types and Iceberg's. Iceberg has fewer: what has no exact counterpart is cast, by these rules:
//   TINYINT SMALLINT UTINYINT USMALLINT → int     UINTEGER → long            UBIGINT → decimal(20,0)
//   HUGEINT UHUGEINT BIGNUM → decimal(38,0)       TIMESTAMP_S/_MS/_NS → timestamp (microseconds)
//   ENUM JSON INTERVAL BIT TIMETZ → string        T[n] → list                NULL (a column of nothing but NULL) → int
// UNION, VARIANT and GEOMETRY are refused. Nested types are converted part by part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"
#include "engine/session.h"

namespace shoplake::model {

using base::Result;

struct StoredType {
  catalog::Type iceberg;
  std::string duckdb;  // DuckDB's spelling of the stored type
  bool needs_cast = false;
};

// Error model.unsupported_type (kind failed).
Result<StoredType> stored_type(std::string_view duckdb_type);

// The Iceberg schema of a query's columns (ids 0), and the select list that casts them: "a", CAST("b" AS DECIMAL(38,0))
// AS "b".
struct StoredColumns {
  catalog::Schema schema;
  std::vector<engine::Column> columns;  // stored types
  std::string select_list;
  bool needs_cast = false;
};
// Errors: model.unsupported_type names the column; model.duplicate_column.
Result<StoredColumns> stored_columns(const std::vector<engine::Column>& columns);

// DuckDB's spelling of an Iceberg type.
std::string duckdb_type(const catalog::Type& type);

// The FIELD_IDS option of COPY … TO parquet: {a: 1, s: {__duckdb_field_id: 2, x: 3}}.
std::string field_ids_option(const catalog::Schema& schema);

}  // namespace shoplake::model
