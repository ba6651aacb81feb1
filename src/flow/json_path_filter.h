// The filters of JSONPath, [?(@.total > 100 && @.country in ['DE', 'AT'])]. A part of flow/json_path.h, which says what
// they may hold.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "flow/json.h"

namespace shoplake::flow {

struct Filter;

// Takes the expression off the begin of `text`, up to its closing bracket, which stays. Error: flow.bad_path; its
// message is only what is wrong.
base::Result<std::shared_ptr<const Filter>> parse_filter(std::string_view& text);

// Whether the node that @ names passes; `root` is what $ names. Values of different types are unequal and not ordered.
bool matches(const Filter& filter, const Json& node, const Json& root);

}  // namespace shoplake::flow
