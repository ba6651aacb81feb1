// Number expressions of DQDL, with the functions that look back at the last runs: `avg(last(10)) * 0.8`.
//
// last(k) is the list of the metric's values in the last k runs, the newest first; an aggregate or index() makes a
// number of it, and last() alone is the value of the last run. Where there were fewer runs, those that there were
// count; where there was none, the expression has no value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace shoplake::dqdl {

inline constexpr std::int64_t kLastRunsMax = 1000;

enum class NumberKind {
  literal,
  negate,
  add,
  subtract,
  multiply,
  divide,
  absolute,  // abs(x)
  last,      // last(runs): a list, a number if runs is 1
  average,   // the rest are of one list
  minimum,
  maximum,
  median,
  sum,
  deviation,  // std: of the population
  index,      // index(list, number): 0 is the newest
};

struct NumberExpression {
  NumberKind kind = NumberKind::literal;
  double number = 0;      // of a literal
  std::string text;       // of a literal, as it was written
  std::int64_t runs = 1;  // of last
  std::vector<NumberExpression> operands;
};

// How many runs it looks back; 0 for a constant.
std::int64_t runs_needed(const NumberExpression& expression);

// `history`: the metric's values, newest first. No value: there is no history that it needs, or it divides by zero.
std::optional<double> evaluate(const NumberExpression& expression, std::span<const double> history);

// In one spelling: "avg(last(10)) * 0.8".
std::string to_string(const NumberExpression& expression);

}  // namespace shoplake::dqdl
