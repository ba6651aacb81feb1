#include "transform/json_cursor.h"

#include <fmt/format.h>

namespace shoplake::transform {

namespace {

std::string_view type_name(char first) {
  switch (first) {
    case '{': return "an object";
    case '[': return "an array";
    case '"': return "a text that does not fit";
    case 't':
    case 'f': return "a boolean";
    default: return "a number that does not fit";
  }
}

}  // namespace

bool JsonCursor::malformed(std::string_view what) {
  const std::uint32_t at = std::min(*next, end);
  return reject(reason::kMalformed, fmt::format("{} at byte {} of the record", what, at - begin_of_record));
}

bool JsonCursor::wrong_type(const Node& node, char first) {
  return reject(transform::wrong_type(node, type_name(first)));
}

bool JsonCursor::unexpected(const Node& node, char first, std::string_view others) {
  --next;
  return others.find(first) != std::string_view::npos ? wrong_type(node, first) : malformed("a value is expected");
}

bool JsonCursor::duplicate(const Node& node) {
  return reject(reason::kDuplicateField, fmt::format("{} is given twice", node.json_path));
}

}  // namespace shoplake::transform
