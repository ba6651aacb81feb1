// How DQDL names what rules measure. Source: https://docs.aws.amazon.com/glue/latest/dg/dqdl-rule-types.html
#pragma once

#include <string>
#include <string_view>

#include "dqdl/rule.h"

namespace shoplake::quality {

// "Dataset.*.RowCount", "Column.[price].Completeness", "Multicolumn.[a,b].Uniqueness"; `what` is the last part. With
// the rule's filter behind it: "… where country = 'DE'".
std::string metric_name(const dqdl::Rule& rule, std::string_view what);

// The metric that the rule's condition is about; empty for ColumnExists, which has none.
std::string metric_name(const dqdl::Rule& rule);

}  // namespace shoplake::quality
