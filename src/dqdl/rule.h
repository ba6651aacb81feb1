// One rule of DQDL, the Data Quality Definition Language of AWS Glue, as a value. docs/quality.md says what each type
// means here and which parts of the language are left out.
// Source: https://docs.aws.amazon.com/glue/latest/dg/dqdl.html, …/dqdl-rule-types.html
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dqdl/number.h"

namespace shoplake::dqdl {

enum class RuleType {
  aggregate_match,
  column_count,
  column_data_type,
  column_exists,
  column_length,
  column_values,
  completeness,
  custom_sql,
  data_freshness,
  distinct_values_count,
  entropy,
  is_complete,
  is_primary_key,
  is_unique,
  mean,
  referential_integrity,
  row_count,
  row_count_match,
  standard_deviation,
  sum,
  unique_value_ratio,
  uniqueness,
};
std::string_view name(RuleType type);  // "RowCount"

enum class Operator {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  between,  // both ends excluded, as DQDL has it
  not_between,
  in,
  not_in,
  matches,  // the whole value
  not_matches,
};
std::string_view symbol(Operator op);  // "not between"
bool is_negated(Operator op);          // of !=, not in: NULL satisfies them

enum class Keyword { null, empty, whitespaces_only };

// now(), (now() - 3 days)
struct Moment {
  std::int64_t offset_micros = 0;
  std::string text;
};
// 24 hours
struct Duration {
  std::int64_t micros = 0;
  std::string text;
};

// A quoted text may also be a date: that depends on the column.
using Operand = std::variant<NumberExpression, std::string, Keyword, Moment, Duration>;

struct Condition {
  Operator op = Operator::equal;
  std::vector<Operand> operands;  // one; two for between; one or more for in
};

struct Rule {
  enum class Kind { single, all_of, any_of };
  Kind kind = Kind::single;
  std::vector<Rule> parts;  // of all_of and any_of: two or more

  // Of a single rule:
  RuleType type = RuleType::row_count;
  std::vector<std::string> parameters;  // columns, tables, SQL
  std::optional<Condition> condition;
  std::optional<Condition> threshold;  // of the share of rows that satisfy the condition; numbers only
  std::string where;                   // an SQL condition; empty: all rows
};

// In one spelling, which parses to the same rule: `Completeness "price" > 0.95 where "country = 'DE'"`.
std::string to_string(const Rule& rule);
std::string to_string(const Condition& condition);

// Whether the rule asks rows one by one: each of them satisfies it or does not, whatever the other rows of its table
// are. Not what looks back at earlier runs.
bool asks_each_row(const Rule& rule);
// Whether the answer is a matter of the table's rows alone: neither of the clock, nor of other tables, nor of earlier
// runs. What a `where` asks, which is SQL, is not looked at.
bool asks_own_rows_only(const Rule& rule);

// How many runs the rule looks back, of any of its parts; 0 if it does not.
std::int64_t runs_needed(const Condition& condition);
std::int64_t runs_needed(const Rule& rule);

}  // namespace shoplake::dqdl
