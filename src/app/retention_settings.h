// The key `retention` of shoplake.yml: for how many days each zone keeps its objects and rows. docs/formats/home.md.
#pragma once

#include <string>

#include "base/result.h"
#include "maintain/retention.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

// Error home.configuration (usage) with `path` and line.
base::Result<void> read_retention(const YAML::Node& node, const std::string& path, maintain::RetentionPolicy& policy);

}  // namespace shoplake::app
