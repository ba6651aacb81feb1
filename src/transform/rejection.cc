#include "transform/rejection.h"

#include <limits>

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::transform {

namespace {

// Of a value that a message shows.
constexpr std::size_t kShownBytes = 40;

// At most kShownBytes, and no code point in part.
std::string_view shown(std::string_view text) {
  if (text.size() <= kShownBytes)
    return text;
  std::size_t size = kShownBytes;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

std::string spelled(const Node& node, std::int64_t number) {
  switch (node.type) {
    case ColumnType::timestamp: return base::timestamp_text(number);
    case ColumnType::date: return base::date_text(number);
    case ColumnType::decimal: return contract::decimal_text(number, node.decimal.scale);
    default: return std::to_string(number);
  }
}

}  // namespace

std::string expected_type(const Node& node) {
  if (node.kind == Node::Kind::list)
    return "list";
  if (node.kind == Node::Kind::structure)
    return "struct";
  switch (node.type) {
    case ColumnType::boolean: return "boolean";
    case ColumnType::real: return "double";
    case ColumnType::text: return "string";
    case ColumnType::timestamp: return "timestamp";
    case ColumnType::date: return "date";
    case ColumnType::decimal: return contract::decimal_type_text(node.decimal);
    case ColumnType::integer: break;
  }
  return "long";
}

Rejection wrong_type(const Node& node, std::string_view found) {
  return {reason::kWrongType, fmt::format("{} must be {}, but is {}", node.json_path, expected_type(node), found)};
}

Rejection out_of_range(const Node& node, std::int64_t value) {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHighest = std::numeric_limits<std::int64_t>::max();
  if (node.limits && !node.limits->numbers.empty() && value >= node.min && value <= node.max) {
    return {reason::kNotAllowed,
            fmt::format("{} is none of the {} values that are allowed", node.json_path, node.limits->numbers.size())};
  }
  const std::string allowed =
      node.max == kHighest  ? fmt::format("less than {}", spelled(node, node.min))
      : node.min == kLowest ? fmt::format("more than {}", spelled(node, node.max))
                            : fmt::format("not within {} and {}", spelled(node, node.min), spelled(node, node.max));
  return {reason::kOutOfRange, fmt::format("{} is {}, {}", node.json_path, spelled(node, value), allowed)};
}

Rejection out_of_range(const Node& node, double value) {
  const contract::Limits& limits = *node.limits;
  const std::string allowed = limits.real_max == contract::Limits::kInfinity
                                  ? fmt::format("less than {}", limits.real_min)
                              : limits.real_min == -contract::Limits::kInfinity
                                  ? fmt::format("more than {}", limits.real_max)
                                  : fmt::format("not within {} and {}", limits.real_min, limits.real_max);
  return {reason::kOutOfRange, fmt::format("{} is {}, {}", node.json_path, value, allowed)};
}

Rejection invalid_date(const Node& node, std::string_view text) {
  const std::string format = node.type == ColumnType::text ? "YYYYMMDD"
                             : node.format.empty()         ? "YYYY-MM-DD"
                                                           : node.format.text();
  return {reason::kInvalidDate, fmt::format("{} is \"{}\", not a day as {}", node.json_path, shown(text), format)};
}

Rejection invalid_timestamp(const Node& node, std::string_view text) {
  return {reason::kInvalidTimestamp, fmt::format("{} is \"{}\", not a time as {}", node.json_path, shown(text),
                                                 node.format.empty() ? "2026-11-21T10:00:00Z" : node.format.text())};
}

Rejection missing_field(std::string_view name) { return {reason::kMissingField, fmt::format("{} is missing", name)}; }

}  // namespace shoplake::transform
