// The JSON that flows through state machines: members keep the order in which they came, as Step Functions keeps them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace shoplake::flow {

using Json = nlohmann::ordered_json;

// Whether they mean the same: the order of members does not matter, and 1 is 1.0. (operator== of an ordered document
// compares the order too.)
bool equal(const Json& a, const Json& b);

// Without white space; invalid UTF-8 becomes the replacement character.
std::string compact(const Json& value);

}  // namespace shoplake::flow
