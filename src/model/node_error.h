// What went wrong with a node, in dbt's words: "Database Error in model x (models/x.sql)".
#pragma once

#include <string>

#include "base/result.h"
#include "model/manifest.h"

namespace shoplake::model {

// With the place of its compiled SQL.
std::string explain(const Node& node, const base::Error& error);
std::string explain(const UnitTest& test, const base::Error& error);

}  // namespace shoplake::model
