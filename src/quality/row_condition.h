// The conditions that rules put on each row, as SQL that is true or false and never NULL.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "dqdl/rule.h"
#include "engine/session.h"

namespace shoplake::quality {

using base::Result;

enum class ColumnKind { number, text, time, boolean, other };
ColumnKind kind_of(const engine::Column& column);

struct RowContext {
  std::int64_t now_micros = 0;
  std::span<const double> minima;  // of the column in the last runs, newest first
  std::span<const double> maxima;
};

// ColumnValues. NULL satisfies != and not in, and no other condition that does not name it. Errors, of kind failed:
// quality.column_type (the column cannot be compared with that), quality.no_history.
Result<std::string> values_condition(const engine::Column& column, const dqdl::Condition& condition,
                                     const RowContext& context);
// ColumnLength: in characters; NULL is 0 long.
Result<std::string> length_condition(const engine::Column& column, const dqdl::Condition& condition);
// ColumnDataType: the value can be read as one of the types; NULL can.
std::string data_type_condition(const engine::Column& column, const dqdl::Condition& condition);
// DataFreshness: the time since the value.
Result<std::string> freshness_condition(const engine::Column& column, const dqdl::Condition& condition,
                                        std::int64_t now_micros);

// The column as a TIMESTAMP (UTC), NULL where it is none. Dates in texts: ISO 8601 or yyyymmdd.
Result<std::string> as_timestamp(const engine::Column& column);
std::string length_of(const engine::Column& column);

}  // namespace shoplake::quality
