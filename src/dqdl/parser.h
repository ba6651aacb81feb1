// Text of DQDL to rules. Pure: no files, no engine, no names of tables are looked up.
//
// Beyond the published language: `with threshold` also at ColumnLength and DataFreshness, bare words as column names,
// abs(). What DQDL has and shoplake does not evaluate is refused by its name (dqdl.unsupported), never passed over.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dqdl/rule.h"

namespace shoplake::dqdl {

using base::Result;

inline constexpr std::size_t kRuleBytesMax = 65'536;
inline constexpr int kDepthMax = 32;
inline constexpr std::size_t kListMax = 10'000;  // values of an `in [...]`

// Where a text stands, so that a message can name file, line and column.
struct Origin {
  std::string_view path;
  int line = 1;
  int column = 1;  // of its first character
  int indent = 0;  // what its later lines lost at their beginning
};

// "quality/orders.yml:7:14", or "line 1, column 14" without a path, of the byte at `offset`.
std::string place_of(std::string_view text, std::size_t offset, const Origin& origin);

// Whether rules of the type take `where "…"`.
bool takes_where(RuleType type);

// One rule: `Completeness "price" > 0.95`. Errors, all of kind usage and beginning with the place: dqdl.syntax,
// dqdl.unknown_rule, dqdl.unsupported.
Result<Rule> parse_rule(std::string_view text, const Origin& origin = {});

// A document: `Rules = [ IsComplete "id", IsUnique "id" ]`. The same errors.
Result<std::vector<Rule>> parse_rules(std::string_view text, const Origin& origin = {});

}  // namespace shoplake::dqdl
