// What the statistics of data files say about rules, so that most loads need no engine to be audited: that a column has
// no NULL, that numbers are within bounds, how many rows there are. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "catalog/table_metadata.h"
#include "quality/rule_set.h"
#include "transform/data_file.h"

namespace shoplake::quality {

// Rows that are about to become a table's, and how many the table then has at least and at most.
struct StagedRows {
  const catalog::Schema* schema = nullptr;  // of `files`
  std::vector<const transform::DataFile*> files;
  std::int64_t table_rows_min = 0;
  std::int64_t table_rows_max = 0;
};

// Whether the rule is satisfied, beyond doubt. False says nothing: then the rows must be asked. Never true for a rule
// whose evaluation would be an error.
bool is_proved(const QualityRule& rule, const StagedRows& staged);

}  // namespace shoplake::quality
