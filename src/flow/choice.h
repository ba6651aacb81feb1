// The rules of a Choice state. A comparison of values that are not of the operator's type is false; numbers compare by
// value, texts by UTF-16 code units, times as instants. Immutable after parse().
// Source: https://states-language.net/spec.html (Choice State).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/intrinsic.h"
#include "flow/json.h"

namespace shoplake::flow {

struct ChoiceNode;

class ChoiceRule {
 public:
  // A rule without its Next. Errors: flow.bad_choice (kind usage) and flow.bad_path.
  static base::Result<ChoiceRule> parse(const Json& rule);
  // Error: States.Runtime if a path that is compared finds nothing (IsPresent asks without one).
  base::Result<bool> holds(const Scope& scope) const;

 private:
  std::shared_ptr<const ChoiceNode> root_;
};

// Microseconds since 1970 of an ISO 8601 extended offset date-time ("2026-11-21T10:00:00.5Z", "…+01:00"), which needs
// the T, the seconds and a zone; nothing for any other spelling.
std::optional<std::int64_t> parse_offset_date_time(std::string_view text);

}  // namespace shoplake::flow
