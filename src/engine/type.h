// A DuckDB logical type taken apart once for each result column, so that reading a value asks the C API for nothing but
// its bytes. Private to engine/.
#pragma once

#include <duckdb.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/session.h"

namespace shoplake::engine {

struct Type {
  duckdb_type id = DUCKDB_TYPE_INVALID;
  duckdb_type storage = DUCKDB_TYPE_INVALID;  // of DECIMAL and ENUM: the integer that stands in the vector
  std::uint8_t width = 0;                     // of DECIMAL
  std::uint8_t scale = 0;
  idx_t array_size = 0;
  std::string alias;               // "JSON"
  std::vector<std::string> names;  // fields of STRUCT, members of UNION, words of ENUM
  std::vector<Type> children;      // LIST and ARRAY: element; MAP: key and value; STRUCT: fields; UNION: members

  static Type of(duckdb_logical_type type);
  std::string spelling() const;  // as DuckDB's typeof()
  bool contains(duckdb_type wanted) const;
};

// The value in a row of a flat vector.
Value read_value(const Type& type, duckdb_vector vector, idx_t row);
// The same as text; nested values are JSON.
std::optional<std::string> read_text(const Type& type, duckdb_vector vector, idx_t row);
bool is_valid(duckdb_vector vector, idx_t row);

}  // namespace shoplake::engine
