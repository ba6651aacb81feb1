// What every template of a node sees of it.
#pragma once

#include "model/manifest.h"
#include "model/renderer.h"

namespace shoplake::model {

// With the configuration known so far. `self` and `execute` depend on who renders.
NodeContext context_of(const Node& node);

}  // namespace shoplake::model
