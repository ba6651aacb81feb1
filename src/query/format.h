// An answer as bytes: CSV (RFC 4180), JSON, or Parquet. Writers hand their output over in pieces and hold no more than
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/session.h"

namespace shoplake::query {

using Output = std::function<base::Result<void>(std::string_view)>;

// A header line, then one line a row, ended by CR LF as the RFC wants. NULL is an empty field, an empty text is "".
base::Result<void> write_csv(const engine::ResultSet& answer, const Output& output);

// An array of objects, one a line. Columns of DuckDB's type JSON are put in as they are; of columns with one name the
// later ones become name_1, name_2. Infinite and undefined numbers are null.
base::Result<void> write_json(const engine::ResultSet& answer, const Output& output);

// Consumes the stream. Snappy, DuckDB's types as Arrow maps them. Error query.parquet_type (kind usage) where Parquet
// has no such type (INTERVAL). Returns the rows written.
base::Result<std::int64_t> write_parquet(ArrowArrayStream* answer, const Output& output);

}  // namespace shoplake::query
