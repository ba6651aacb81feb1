#include "transform/json_leaves.h"

#include <limits>
#include <optional>
#include <string_view>

#include "base/moment.h"

namespace shoplake::transform {

bool JsonLeaves::leaf(JsonCursor& cursor, std::uint16_t node_index) {
  const Node& node = layout_.nodes[node_index];
  if (*cursor.next >= cursor.end)
    return cursor.malformed("the record ends early");
  const std::uint32_t at = *cursor.next++;
  const char first = cursor.text[at];
  if (first == 'n') {
    if (!cursor.is_literal(at, "null"))
      return cursor.malformed("a value is not JSON");
    return true;
  }
  switch (node.type) {
    case ColumnType::text: return text_leaf(cursor, node, node_index, at, first);
    case ColumnType::integer: return integer_leaf(cursor, node, node_index, at, first);
    case ColumnType::timestamp: {
      std::int64_t micros = early_.micros;
      if (at != early_.at && !timestamp(cursor, node, at, first, micros))
        return false;
      return builder_.set_integer(node_index, micros) || cursor.duplicate(node);
    }
    case ColumnType::date: {
      std::int64_t days = early_.day;
      if (at != early_.at && !date(cursor, node, at, first, days))
        return false;
      return builder_.set_integer(node_index, days) || cursor.duplicate(node);
    }
    case ColumnType::decimal: return decimal_leaf(cursor, node, node_index, at, first);
    case ColumnType::real: return real_leaf(cursor, node, node_index, at, first);
    case ColumnType::boolean: return boolean_leaf(cursor, node, node_index, at, first);
  }
  return false;
}

bool JsonLeaves::text_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at,
                           char first) {
  std::string_view value;
  bool is_integer = false;
  if (first == '"') [[likely]] {
    if (!cursor.string(at, value))
      return false;
  } else if (first == 't' || first == 'f') {
    if (!cursor.is_literal(at, first == 't' ? "true" : "false"))
      return cursor.malformed("a value is not JSON");
    value = first == 't' ? "true" : "false";
  } else if (first == '-' || is_digit(first)) {
    if (!cursor.number(at, value, is_integer))
      return false;
  } else {
    return cursor.unexpected(node, first, "{[");
  }
  if (node.is_date && !is_yyyymmdd(value))
    return cursor.reject(invalid_date(node, value));
  if (!checks_.allows(node_index, value, cursor.rejection))
    return false;
  return builder_.set_text(node_index, value) || cursor.duplicate(node);
}

bool JsonLeaves::integer_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at,
                              char first) {
  std::string_view token;
  std::int64_t value = 0;
  if (first == '"') {
    if (!cursor.string(at, token))
      return false;
    if (!to_integer(token, value))
      return cursor.wrong_type(node, first);
  } else if (first == '-' || is_digit(first)) {
    const std::uint32_t token_end = cursor.scalar_end();
    // The common case: up to 18 digits without a sign.
    const std::uint32_t size = token_end - at;
    std::uint64_t digits = 0;
    std::uint32_t taken = 0;
    if (size <= 18 && (first != '0' || size == 1)) {
      while (taken < size && is_digit(cursor.text[at + taken])) {
        digits = digits * 10 + static_cast<std::uint64_t>(cursor.text[at + taken] - '0');
        ++taken;
      }
    }
    if (taken == size) [[likely]] {
      value = static_cast<std::int64_t>(digits);
    } else {
      bool is_integer = false;
      if (!cursor.number(at, token, is_integer))
        return false;
      if (!to_integer(token, value))
        return cursor.wrong_type(node, first);
    }
  } else {
    return cursor.unexpected(node, first, "{[tf");
  }
  if (!checks_.allows(node_index, value, cursor.rejection)) [[unlikely]]
    return false;
  return builder_.set_integer(node_index, value) || cursor.duplicate(node);
}

bool JsonLeaves::timestamp(JsonCursor& cursor, const Node& node, std::uint32_t at, char first, std::int64_t& micros) {
  std::string_view token;
  std::optional<std::int64_t> moment;
  if (first == '"') {
    if (!cursor.string(at, token))
      return false;
    if (has_formats_ && !node.format.empty()) {
      moment = node.format.micros(token);
    } else {
      moment = base::parse_timestamp(token);
      if (!moment)
        moment = epoch_micros(token);
    }
  } else if (first == '-' || is_digit(first)) {
    bool is_integer = false;
    if (!cursor.number(at, token, is_integer))
      return false;
    moment = epoch_micros(token);
  } else {
    return cursor.unexpected(node, first, "{[tf");
  }
  if (!moment) {
    return cursor.reject(invalid_timestamp(node, token));
  }
  if (*moment < node.min || *moment > node.max) [[unlikely]]
    return cursor.reject(out_of_range(node, *moment));
  micros = *moment;
  return true;
}

bool JsonLeaves::date(JsonCursor& cursor, const Node& node, std::uint32_t at, char first, std::int64_t& days) {
  std::string_view token;
  bool is_integer = false;
  if (first == '"') {
    if (!cursor.string(at, token))
      return false;
  } else if (is_digit(first)) {
    if (!cursor.number(at, token, is_integer))
      return false;
  } else {
    return cursor.unexpected(node, first, "{[tf-");
  }
  std::optional<std::int64_t> parsed;
  if (!has_formats_ || node.format.empty()) {
    parsed = base::parse_date(token);
  } else if (const auto micros = node.format.micros(token)) {
    parsed = base::day_of(*micros);
  }
  if (!parsed)
    return cursor.reject(invalid_date(node, token));
  if (*parsed < node.min || *parsed > node.max) [[unlikely]]
    return cursor.reject(out_of_range(node, *parsed));
  days = *parsed;
  return true;
}

bool JsonLeaves::decimal_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at,
                              char first) {
  std::string_view token;
  bool is_integer = false;
  if (first == '"') {
    if (!cursor.string(at, token))
      return false;
  } else if (first == '-' || is_digit(first)) {
    if (!cursor.number(at, token, is_integer))
      return false;
  } else {
    return cursor.unexpected(node, first, "{[tf");
  }
  const auto value = contract::parse_decimal(token, node.decimal);
  if (!value)
    return cursor.wrong_type(node, first);
  if (!checks_.allows(node_index, *value, cursor.rejection)) [[unlikely]]
    return false;
  return builder_.set_integer(node_index, *value) || cursor.duplicate(node);
}

bool JsonLeaves::real_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at,
                           char first) {
  std::string_view token;
  bool is_integer = false;
  double value = 0;
  if (first == '"') {
    if (!cursor.string(at, token))
      return false;
    const char* token_end = token.data() + token.size();
    if (token == "NaN") {
      value = std::numeric_limits<double>::quiet_NaN();
    } else if (token == "Infinity" || token == "-Infinity") {
      value = token[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    } else if (token.empty() || scan_number(token.data(), token_end, is_integer) != token_end ||
               !to_real(token, value)) {
      return cursor.wrong_type(node, first);
    }
  } else if (first == '-' || is_digit(first)) {
    if (!cursor.number(at, token, is_integer))
      return false;
    if (!to_real(token, value))
      return cursor.wrong_type(node, first);
  } else {
    return cursor.unexpected(node, first, "{[tf");
  }
  if (!checks_.allows(node_index, value, cursor.rejection)) [[unlikely]]
    return false;
  return builder_.set_real(node_index, value) || cursor.duplicate(node);
}

bool JsonLeaves::boolean_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at,
                              char first) {
  std::string_view token;
  bool value = false;
  if (first == 't' || first == 'f') {
    value = first == 't';
    if (!cursor.is_literal(at, value ? "true" : "false"))
      return cursor.malformed("a value is not JSON");
  } else if (first == '"') {
    if (!cursor.string(at, token))
      return false;
    if (token != "true" && token != "false")
      return cursor.wrong_type(node, first);
    value = token == "true";
  } else {
    return cursor.unexpected(node, first, "{[-0123456789");
  }
  return builder_.set_boolean(node_index, value) || cursor.duplicate(node);
}

}  // namespace shoplake::transform
