// Tests that share one scan of their relation.
#pragma once

#include <optional>
#include <string>

#include "model/manifest.h"

namespace shoplake::model {

// The aggregate that counts the failing rows of one of dbt's own generic tests over its relation; none for a test whose
// configuration wants a statement of its own, and for kinds of tests that one aggregate cannot count. `store_failures`
// is what holds where the test does not say.
std::optional<std::string> failures_in_scan(const Node& node, bool store_failures);

}  // namespace shoplake::model
