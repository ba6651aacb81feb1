// ValueChecks: the limits of a contract's fields (contract::Limits) on one value after another. Belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "transform/layout.h"
#include "transform/rejection.h"

namespace shoplake::transform {

class ValueChecks {
 public:
  explicit ValueChecks(const Layout& layout);

  // Whether the contract allows the value; if not, `rejection` says why.
  bool allows(std::uint16_t node, std::string_view value, Rejection& rejection) {
    return !has_limits_[node] || allows_text(node, value, rejection);
  }
  bool allows(std::uint16_t node, std::int64_t value, Rejection& rejection) {
    const Node& description = layout_.nodes[node];
    if (value >= description.min && value <= description.max && !has_limits_[node]) [[likely]]
      return true;
    return allows_integer(node, value, rejection);
  }
  bool allows(std::uint16_t node, double value, Rejection& rejection) {
    return !has_limits_[node] || allows_real(node, value, rejection);
  }

 private:
  bool allows_text(std::uint16_t node, std::string_view value, Rejection& rejection);
  bool matches(std::uint16_t node, std::string_view value);
  bool allows_integer(std::uint16_t node, std::int64_t value, Rejection& rejection) const;
  bool allows_real(std::uint16_t node, double value, Rejection& rejection) const;

  const Layout& layout_;
  std::vector<std::uint8_t> has_limits_;                             // by node
  std::vector<std::optional<contract::Pattern::Matcher>> matchers_;  // by node
  std::vector<std::optional<std::string>> last_matches_;             // by node: what matched last
};

}  // namespace shoplake::transform
