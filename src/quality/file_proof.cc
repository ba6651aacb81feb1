#include "quality/file_proof.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "catalog/single_value.h"
#include "dqdl/number.h"
#include "quality/evaluation.h"

namespace shoplake::quality {
namespace {

using dqdl::Operator;
using dqdl::RuleType;

// Whole numbers up to here are doubles, too.
constexpr double kExactMax = 9'007'199'254'740'992;
// A column of more different whole numbers is not compared with a list one by one.
constexpr double kListedMax = 1'000;

// A column's statistics over all files.
struct Summary {
  std::int64_t values = 0;  // with NULLs
  std::int64_t nulls = 0;
  std::optional<double> min, max;  // of what is not NULL; none where they are not known or not exact
  bool is_whole = false;           // whole numbers only
};

const catalog::Field* find(const catalog::Schema& schema, const std::string& name) {
  const auto same = [&](const catalog::Field& field) { return lower(field.name) == lower(name); };
  const auto found = std::find_if(schema.fields.begin(), schema.fields.end(), same);
  return found == schema.fields.end() || !found->type.is_primitive() ? nullptr : &*found;
}

std::optional<double> number(const std::string& type, const std::optional<std::string>& bound) {
  const bool is_number = type == "int" || type == "long" || catalog::decimal_type(type).has_value();
  if (!is_number || !bound || !catalog::is_single_value(type, *bound))
    return std::nullopt;
  const auto text = catalog::single_value_to_text(type, *bound);
  if (!text.ok())
    return std::nullopt;
  const double value = std::strtod(text->c_str(), nullptr);
  return std::fabs(value) < kExactMax ? std::optional(value) : std::nullopt;
}

std::optional<Summary> summary(const StagedRows& staged, const std::string& name) {
  const catalog::Field* field = staged.schema == nullptr ? nullptr : find(*staged.schema, name);
  if (field == nullptr)
    return std::nullopt;
  Summary all;
  all.is_whole = field->type.name == "int" || field->type.name == "long";
  bool has_bounds = true;
  for (const transform::DataFile* file : staged.files) {
    const auto column = std::find_if(file->columns.begin(), file->columns.end(),
                                     [&](const auto& each) { return each.field_id == field->id; });
    if (column == file->columns.end() || column->value_count != file->record_count)
      return std::nullopt;
    all.values += column->value_count;
    all.nulls += column->null_count;
    if (column->null_count == column->value_count)
      continue;
    const std::optional<double> min = number(field->type.name, column->lower_bound);
    const std::optional<double> max = number(field->type.name, column->upper_bound);
    has_bounds = has_bounds && min && max;
    if (has_bounds) {
      all.min = std::min(all.min.value_or(*min), *min);
      all.max = std::max(all.max.value_or(*max), *max);
    }
  }
  if (!has_bounds)
    all.min = all.max = std::nullopt;
  return all;
}

// The operands, if all of them are numbers that look back at no run.
std::optional<std::vector<double>> constants(const dqdl::Condition& condition) {
  std::vector<double> numbers;
  for (const dqdl::Operand& operand : condition.operands) {
    const auto* expression = std::get_if<dqdl::NumberExpression>(&operand);
    if (expression == nullptr || dqdl::runs_needed(*expression) > 0)
      return std::nullopt;
    const std::optional<double> value = dqdl::evaluate(*expression, {});
    if (!value)
      return std::nullopt;
    numbers.push_back(*value);
  }
  return numbers;
}

// Whether all numbers between two satisfy the condition.
bool all_hold(double min, double max, bool is_whole, const dqdl::Condition& condition) {
  const std::optional<std::vector<double>> right = constants(condition);
  if (!right)
    return false;
  switch (condition.op) {
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal:
    case Operator::between: return holds(min, condition.op, *right) && holds(max, condition.op, *right);
    case Operator::equal: return min == max && holds(min, condition.op, *right);
    case Operator::in: {
      if (!is_whole || max - min > kListedMax)
        return false;
      for (auto value = static_cast<std::int64_t>(min); value <= static_cast<std::int64_t>(max); ++value) {
        if (!holds(static_cast<double>(value), condition.op, *right))
          return false;
      }
      return true;
    }
    default: return false;
  }
}

bool is_proved_of_rows(const dqdl::Rule& rule, const StagedRows& staged) {
  const std::optional<Summary> column = summary(staged, rule.parameters.at(0));
  if (!column)
    return false;
  switch (rule.type) {
    case RuleType::is_complete: return column->nulls == 0;
    case RuleType::completeness: {
      const double share = column->values == 0 ? 1
                                               : static_cast<double>(column->values - column->nulls) /
                                                     static_cast<double>(column->values);
      return rule.condition && all_hold(share, share, false, *rule.condition);
    }
    case RuleType::column_values:
      if (column->values == 0)
        return rule.condition && constants(*rule.condition).has_value();
      return rule.condition && !rule.threshold && column->nulls == 0 && column->min &&
             all_hold(*column->min, *column->max, column->is_whole, *rule.condition);
    default: return false;
  }
}

bool is_proved_single(const dqdl::Rule& rule, bool asks_new_rows, const StagedRows& staged) {
  if (!rule.where.empty())
    return false;
  if (rule.type == RuleType::row_count) {
    return !asks_new_rows && rule.condition &&
           all_hold(static_cast<double>(staged.table_rows_min), static_cast<double>(staged.table_rows_max), true,
                    *rule.condition);
  }
  return asks_new_rows && is_proved_of_rows(rule, staged);
}

bool is_proved(const dqdl::Rule& rule, bool asks_new_rows, const StagedRows& staged) {
  if (rule.kind == dqdl::Rule::Kind::single)
    return is_proved_single(rule, asks_new_rows, staged);
  // Of any_of, too: an error of any part is one of the whole.
  return std::all_of(rule.parts.begin(), rule.parts.end(),
                     [&](const dqdl::Rule& part) { return is_proved(part, asks_new_rows, staged); });
}

}  // namespace

bool is_proved(const QualityRule& rule, const StagedRows& staged) {
  return is_proved(rule.rule, rule.asks_new_rows, staged);
}

}  // namespace shoplake::quality
