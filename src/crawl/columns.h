// Columns that were seen in files, and what they are together. The rules:
//
//   both the same type                     that type
//   int and long                           long
//   float, int or long with float, double  double
//   decimals                               the decimal that holds both; string if none does
//   int or long with a decimal             decimal(38, scale); double with a decimal is double
//   date and timestamp                     timestamp
//   structs, lists, maps                   part by part, by name
//   anything and a column of nulls         the other type
//   anything else                          string, and a conflict that is reported
//
// Column names differ only in more than case, because the engine's do: a second spelling is the first one's column, and
// a conflict. Types are Iceberg's (catalog::Type); "unknown" is a column of nothing but nulls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"

namespace shoplake::crawl {

using base::Result;
using catalog::Type;

struct Column {
  std::string name;
  Type type;
  friend bool operator==(const Column&, const Column&) = default;
};
using Columns = std::vector<Column>;

inline constexpr const char* kUnknownType = "unknown";
inline constexpr int kTypeDepthMax = 16;  // deeper values are string

Type unknown_type();

struct Conflict {
  std::string column;  // "items.price"
  std::string what;    // "long and string: string"
};

// `right` seen after `left`. Conflicts are appended, with `path` as the column.
Type merge_types(const Type& left, const Type& right, const std::string& path, std::vector<Conflict>& conflicts);
// The columns of `left`, then those that only `right` has.
Columns merge_columns(const Columns& left, const Columns& right, std::vector<Conflict>& conflicts);

// What remains unknown becomes string.
Columns settled(Columns columns);

// "struct<a: long, b: list<string>>".
std::string to_text(const Type& type);

// The form in which the control plane keeps them.
std::string columns_to_json(const Columns& columns);
Result<Columns> columns_from_json(std::string_view text);

// Equal but for case.
bool same_name(std::string_view left, std::string_view right);
const Column* find_column(const Columns& columns, std::string_view name);

}  // namespace shoplake::crawl
