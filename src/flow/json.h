// The JSON that flows through state machines: members keep the order in which they came, as Step Functions keeps them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace shoplake::flow {

using Json = nlohmann::ordered_json;

// Whether they mean the same: the order of members does not matter, and 1 is 1.0. (operator== of an ordered document
// compares the order too.)
bool equal(const Json& a, const Json& b);

// What may be nested in each other: whoever walks a document does it by recursion.
inline constexpr int kJsonDepthMax = 500;

// Text from outside as a document; nothing if it is no JSON, or nested more than kJsonDepthMax deep.
std::optional<Json> parse_json(std::string_view text);

// How deep the objects and arrays of a text that is JSON are nested.
int json_depth(std::string_view text);

// Without white space; invalid UTF-8 becomes the replacement character.
std::string compact(const Json& value);

}  // namespace shoplake::flow
