#include "transform/value_checks.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::transform {

namespace {

std::uint32_t code_points(std::string_view text) {
  std::uint32_t count = 0;
  for (char c : text)
    count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1U : 0U;
  return count;
}

// What the number of bytes says already: a code point has one to four.
bool is_surely_within(std::size_t bytes, const contract::Limits& limits) {
  return bytes <= limits.length_max && (bytes + 3) / 4 >= limits.length_min;
}

}  // namespace

ValueChecks::ValueChecks(const Layout& layout)
    : layout_(layout),
      has_limits_(layout.nodes.size(), 0),
      matchers_(layout.nodes.size()),
      last_matches_(layout.nodes.size()) {
  for (std::size_t node = 0; node < layout.nodes.size(); ++node) {
    const auto& limits = layout.nodes[node].limits;
    if (!limits)
      continue;
    has_limits_[node] = 1;
    if (limits->pattern)
      matchers_[node].emplace(*limits->pattern);
  }
}

bool ValueChecks::allows_text(std::uint16_t node, std::string_view value, Rejection& rejection) {
  const Node& description = layout_.nodes[node];
  const contract::Limits& limits = *description.limits;
  if (!limits.values.empty() && !std::binary_search(limits.values.begin(), limits.values.end(), value)) {
    rejection = {reason::kNotAllowed, fmt::format("{} is none of the {} values that are allowed", description.json_path,
                                                  limits.values.size())};
    return false;
  }
  if (!is_surely_within(value.size(), limits)) {
    const std::uint32_t length = code_points(value);
    if (length < limits.length_min || length > limits.length_max) {
      rejection = {reason::kLength, fmt::format("{} has {} characters, not within {} and {}", description.json_path,
                                                length, limits.length_min, limits.length_max)};
      return false;
    }
  }
  if (limits.pattern && !matches(node, value)) {
    rejection = {reason::kPattern, fmt::format("{} does not match {}", description.json_path, limits.pattern->text())};
    return false;
  }
  return true;
}

// Records that follow one another are often of one invoice, one product.
bool ValueChecks::matches(std::uint16_t node, std::string_view value) {
  constexpr std::size_t kKeptBytes = 64;
  std::optional<std::string>& last = last_matches_[node];
  if (last == value)
    return true;
  if (!matchers_[node]->matches(value))
    return false;
  if (value.size() <= kKeptBytes)
    last = value;
  return true;
}

bool ValueChecks::allows_integer(std::uint16_t node, std::int64_t value, Rejection& rejection) const {
  const Node& description = layout_.nodes[node];
  const bool in_range = value >= description.min && value <= description.max;
  const bool is_named =
      !description.limits || description.limits->numbers.empty() ||
      std::binary_search(description.limits->numbers.begin(), description.limits->numbers.end(), value);
  if (in_range && is_named)
    return true;
  rejection = out_of_range(description, value);
  return false;
}

bool ValueChecks::allows_real(std::uint16_t node, double value, Rejection& rejection) const {
  const Node& description = layout_.nodes[node];
  if (!description.limits->limits_real() ||
      (value >= description.limits->real_min && value <= description.limits->real_max))
    return true;
  rejection = out_of_range(description, value);
  return false;
}

}  // namespace shoplake::transform
