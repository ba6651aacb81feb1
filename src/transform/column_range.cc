#include "transform/column_range.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"

namespace shoplake::transform {

namespace {

template <typename T>
std::string raw_bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// Two's complement of as few bytes as hold it, the highest first: Iceberg's form of decimals.
std::string shortest_big_endian(std::int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<char>(value >> shift);
    const bool next_is_negative = shift > 0 && (value >> (shift - 1) & 1) != 0;
    if (bytes.empty() && shift > 0 && byte == static_cast<char>(next_is_negative ? 0xFF : 0))
      continue;  // says nothing but the sign, which the next byte has, too
    bytes.push_back(byte);
  }
  return bytes;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// At most `code_points` code points of valid UTF-8.
std::string_view cut_code_points(std::string_view text, std::size_t code_points) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (!is_continuation(text[at]) && code_points-- == 0)
      break;
    ++at;
  }
  return text.substr(0, at);
}

// The least text greater than every text that begins with `prefix`, by adding one to its last code point that has a
// successor.
std::optional<std::string> successor(std::string_view prefix) {
  std::string text(prefix);
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start]))
      --start;
    const std::string_view last = std::string_view(text).substr(start);
    std::uint32_t code = 0;
    const auto lead = static_cast<unsigned char>(last[0]);
    code = last.size() == 1 ? lead : last.size() == 2 ? lead & 0x1Fu : last.size() == 3 ? lead & 0x0Fu : lead & 0x07u;
    for (std::size_t i = 1; i < last.size(); ++i)
      code = code << 6 | (static_cast<unsigned char>(last[i]) & 0x3Fu);
    ++code;
    if (code == 0xD800)
      code = 0xE000;  // surrogates are no text
    text.resize(start);
    if (code > 0x10FFFF)
      continue;
    base::append_code_point(text, code);
    return text;
  }
  return std::nullopt;
}

std::string integer_bound(const Node& node, std::int64_t value, ColumnRange::Form form) {
  if (node.type == ColumnType::boolean)
    return std::string(1, static_cast<char>(value));
  if (node.type == ColumnType::decimal && form == ColumnRange::Form::iceberg)
    return shortest_big_endian(value);
  return is_four_bytes(node) ? raw_bytes(static_cast<std::int32_t>(value)) : raw_bytes(value);
}

}  // namespace

bool is_four_bytes(const Node& node) {
  constexpr int kDigitsOfFourBytes = 9;
  return node.type == ColumnType::date ||
         (node.type == ColumnType::decimal && node.decimal.precision <= kDigitsOfFourBytes);
}

void ColumnRange::merge(const ColumnRange& other, ColumnType type) {
  nan_count += other.nan_count;
  if (!other.has_values)
    return;
  if (type == ColumnType::text) {
    add(other.text_min);
    add(other.text_max);
    return;
  }
  has_values = true;
  integer_min = std::min(integer_min, other.integer_min);
  integer_max = std::max(integer_max, other.integer_max);
  real_min = std::min(real_min, other.real_min);
  real_max = std::max(real_max, other.real_max);
}

std::optional<std::string> ColumnRange::lower(const Node& node, std::size_t code_points, Form form) const {
  if (!has_values)
    return std::nullopt;
  switch (node.type) {
    case ColumnType::real: return raw_bytes(real_min == 0 ? -0.0 : real_min);
    case ColumnType::text: return std::string(cut_code_points(text_min, code_points));
    default: return integer_bound(node, integer_min, form);
  }
}

std::optional<std::string> ColumnRange::upper(const Node& node, std::size_t code_points, Form form) const {
  if (!has_values)
    return std::nullopt;
  switch (node.type) {
    case ColumnType::real: return raw_bytes(real_max == 0 ? 0.0 : real_max);
    case ColumnType::text: {
      const std::string_view cut = cut_code_points(text_max, code_points);
      if (cut.size() == text_max.size())
        return text_max;
      return successor(cut);
    }
    default: return integer_bound(node, integer_max, form);
  }
}

}  // namespace shoplake::transform
