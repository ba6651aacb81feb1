// The parameters of DQDL that name columns of other tables: `marts.dim_user.user_key`, `marts.x.{a,b}`,
// `sum(curated.orders.amount)`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoplake::dqdl {

struct Reference {
  std::string table;  // "marts.dim_user"
  std::vector<std::string> columns;
};
// "a, b" without a table: what the first parameter of ReferentialIntegrity is.
std::vector<std::string> column_list(std::string_view text);
// No value: the text names no table and column.
std::optional<Reference> parse_reference(std::string_view text);

struct ColumnAggregate {
  bool is_average = false;  // else a sum
  std::string table;        // empty: the rule's own
  std::string column;
};
std::optional<ColumnAggregate> parse_column_aggregate(std::string_view text);

}  // namespace shoplake::dqdl
