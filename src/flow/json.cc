#include "flow/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace shoplake::flow {

bool equal(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) {
    return a.size() == b.size() && std::ranges::all_of(a.items(), [&](const auto& member) {
             const auto other = b.find(member.key());
             return other != b.end() && equal(member.value(), *other);
           });
  }
  if (a.is_array() && b.is_array())
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), equal);
  return a == b;
}

std::optional<Json> parse_json(std::string_view text) {
  if (json_depth(text) > kJsonDepthMax)
    return std::nullopt;
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded())
    return std::nullopt;
  return value;
}

int json_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        is_quoted = false;
    } else if (c == '"') {
      is_quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

std::string compact(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace shoplake::flow
