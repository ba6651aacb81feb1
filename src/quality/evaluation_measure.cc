#include "quality/evaluation.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "quality/metric_name.h"
#include "quality/row_condition.h"

namespace shoplake::quality {
namespace {

using base::ErrorKind;
using dqdl::Condition;
using dqdl::NumberExpression;
using dqdl::Operator;

// Numbers that are equal but for how they were added up.
constexpr double kRelativeTolerance = 1e-12;

bool is_equal(double left, double right) {
  return std::fabs(left - right) <= kRelativeTolerance * std::max({1.0, std::fabs(left), std::fabs(right)});
}

std::string expected_text(const Condition& wanted, const std::vector<double>& right, bool is_dynamic) {
  if (!is_dynamic)
    return dqdl::to_string(wanted);
  std::vector<std::string> numbers;
  for (const double each : right)
    numbers.push_back(number_text(each));
  return fmt::format("{} {} ({})", dqdl::symbol(wanted.op), fmt::join(numbers, " and "), dqdl::to_string(wanted));
}

}  // namespace

bool holds(double value, Operator op, const std::vector<double>& right) {
  const auto is_one_of = [&] {
    return std::any_of(right.begin(), right.end(), [&](double each) { return is_equal(value, each); });
  };
  switch (op) {
    case Operator::equal:
    case Operator::in: return is_one_of();
    case Operator::not_equal:
    case Operator::not_in: return !is_one_of();
    case Operator::less: return value < right[0] && !is_equal(value, right[0]);
    case Operator::less_equal: return value <= right[0] || is_equal(value, right[0]);
    case Operator::greater: return value > right[0] && !is_equal(value, right[0]);
    case Operator::greater_equal: return value >= right[0] || is_equal(value, right[0]);
    case Operator::between: return value > right[0] && value < right[1];
    case Operator::not_between: return value <= right[0] || value >= right[1];
    default: return false;
  }
}

// All aggregates in one statement; where that fails, one statement a rule, so that the others have their values.
Result<void> Evaluation::scan() {
  values_.assign(aggregates_.size(), std::nullopt);
  if (aggregates_.empty())
    return {};
  const std::int64_t begin = options_.env->monotonic_micros();
  std::vector<std::size_t> all(aggregates_.size());
  for (std::size_t at = 0; at < all.size(); ++at)
    all[at] = at;
  Result<void> scanned = read_aggregates(all);
  SHOPLAKE_TRY(not_interrupted(scanned));
  std::vector<Leaf*> sharing;
  for (Leaf& leaf : leaves_) {
    if (!leaf.is_settled && !leaf.aggregates.empty())
      sharing.push_back(&leaf);
  }
  if (scanned.ok()) {
    const std::int64_t each = (options_.env->monotonic_micros() - begin) /
                              std::max<std::int64_t>(1, static_cast<std::int64_t>(sharing.size()));
    for (Leaf* leaf : sharing)
      leaf->micros += each;
    return {};
  }
  for (Leaf* leaf : sharing)
    SHOPLAKE_TRY(guarded(*leaf, [&] { return read_aggregates(leaf->aggregates); }));
  return {};
}

Result<void> Evaluation::read_aggregates(const std::vector<std::size_t>& indexes) {
  std::vector<std::string> list;
  for (const std::size_t index : indexes)
    list.push_back(aggregates_[index]);
  const engine::ResultSet answer =
      SHOPLAKE_TRY(query(fmt::format("SELECT {} FROM {}", fmt::join(list, ", "), subject_.relation)));
  for (std::size_t at = 0; at < indexes.size(); ++at)
    values_[indexes[at]] = to_number(answer.value(0, at));
  return {};
}

Result<Grouping*> Evaluation::grouping(const Leaf& leaf) {
  Grouping& found = groupings_.at(leaf.group);
  if (found.is_done)
    return found.error ? Result<Grouping*>(*found.error) : Result<Grouping*>(&found);
  const Result<engine::ResultSet> answer = query(found.sql);
  if (!answer.ok() && answer.error().kind == ErrorKind::cancelled)
    return answer.error();
  found.is_done = true;
  if (!answer.ok()) {
    found.error = answer.error();
    return answer.error();
  }
  const auto number = [&](std::size_t at) { return to_number(answer->value(0, at)).value_or(0); };
  found.distinct = number(0);
  found.unique = number(1);
  found.rows = number(2);
  found.entropy = number(3);
  return &found;
}

Result<void> Evaluation::measure(Leaf& leaf) {
  const Rule& rule = *leaf.rule;
  switch (rule.type) {
    case RuleType::row_count: return judge(leaf, value(leaf, 0), "");
    case RuleType::column_count: return judge(leaf, static_cast<double>(names_.size()), "");
    case RuleType::column_exists: return measure_exists(leaf);
    case RuleType::mean:
    case RuleType::standard_deviation: return judge(leaf, value(leaf, 0), "");
    case RuleType::sum: return judge(leaf, value(leaf, 0).value_or(0), "");
    case RuleType::is_complete:
    case RuleType::completeness: return measure_rows(leaf, "have no value");
    case RuleType::column_values: return measure_values(leaf);
    case RuleType::column_length: return measure_length(leaf);
    case RuleType::column_data_type: return measure_rows(leaf, "are of another type");
    case RuleType::data_freshness: return measure_freshness(leaf);
    case RuleType::is_primary_key: return measure_primary_key(leaf);
    case RuleType::referential_integrity: return measure_references(leaf);
    case RuleType::row_count_match: return measure_row_count_match(leaf);
    case RuleType::aggregate_match: return measure_aggregate_match(leaf);
    case RuleType::custom_sql: return rule.condition ? measure_custom_number(leaf) : measure_custom_rows(leaf);
    default: return measure_grouping(leaf);
  }
}

Result<void> Evaluation::measure_exists(Leaf& leaf) {
  const bool exists = columns_.contains(lower(leaf.rule->parameters[0]));
  leaf.expected = "exists";
  leaf.outcome = exists ? Outcome::pass : Outcome::fail;
  if (!exists)
    leaf.message = column(leaf.rule->parameters[0]).error().message;
  return {};
}

// The share of rows that are good. Where there are no rows, none is bad.
Result<void> Evaluation::measure_rows(Leaf& leaf, std::string_view what_bad_rows_do) {
  const double rows = value(leaf, 0).value_or(0);
  const double good = value(leaf, 1).value_or(0);
  leaf.failed_rows = static_cast<std::int64_t>(rows - good);
  return judge(leaf, rows == 0 ? 1 : good / rows,
               fmt::format("{} of {} rows {}", count_text(rows - good), count_text(rows), what_bad_rows_do));
}

void Evaluation::note(Leaf& leaf, std::string_view what, std::optional<double> number) {
  if (number)
    leaf.metrics.push_back({metric_name(*leaf.rule, what), *number});
}

Result<void> Evaluation::measure_values(Leaf& leaf) {
  SHOPLAKE_TRY(measure_rows(leaf, "do not satisfy " + dqdl::to_string(*leaf.rule->condition)));
  if (leaf.aggregates.size() > 2) {
    note(leaf, "Minimum", value(leaf, 2));
    note(leaf, "Maximum", value(leaf, 3));
  }
  if (!leaf.no_history.empty()) {
    leaf.outcome = Outcome::skipped;
    leaf.message = leaf.no_history + ": this run is what the next one compares with";
    leaf.failed_rows.reset();
  }
  return {};
}

Result<void> Evaluation::measure_length(Leaf& leaf) {
  SHOPLAKE_TRY(measure_rows(leaf, "do not satisfy " + dqdl::to_string(*leaf.rule->condition)));
  note(leaf, "MinimumLength", value(leaf, 2));
  note(leaf, "MaximumLength", value(leaf, 3));
  return {};
}

Result<void> Evaluation::measure_freshness(Leaf& leaf) {
  if (value(leaf, 0).value_or(0) == 0)
    return failed("quality.no_values", fmt::format("there is no row whose {} could be fresh", leaf.columns[0].name));
  SHOPLAKE_TRY(measure_rows(leaf, "are not " + dqdl::to_string(*leaf.rule->condition) + " old"));
  if (const auto newest = value(leaf, 2); newest && leaf.outcome == Outcome::fail) {
    const double hours = (static_cast<double>(options_.now_micros) - *newest) / 3.6e9;
    leaf.message += fmt::format("; the newest is {:.1f} hours old", hours);
  }
  return {};
}

Result<void> Evaluation::measure_primary_key(Leaf& leaf) {
  const Grouping& groups = *SHOPLAKE_TRY(grouping(leaf));
  const double rows = value(leaf, 0).value_or(0);
  const double complete = value(leaf, 1).value_or(0);
  const double repeated = groups.rows - groups.distinct;
  leaf.failed_rows = static_cast<std::int64_t>(repeated + (rows - complete));
  note(leaf, "Uniqueness", groups.rows == 0 ? 1 : groups.unique / groups.rows);
  note(leaf, "Completeness", rows == 0 ? 1 : complete / rows);
  leaf.expected = "unique and complete";
  leaf.outcome = repeated == 0 && complete == rows ? Outcome::pass : Outcome::fail;
  if (leaf.outcome == Outcome::fail) {
    leaf.message = fmt::format("{} of {} rows repeat the key of another, {} lack a part of it", count_text(repeated),
                               count_text(rows), count_text(rows - complete));
  }
  return {};
}

Result<void> Evaluation::measure_grouping(Leaf& leaf) {
  const Grouping& groups = *SHOPLAKE_TRY(grouping(leaf));
  switch (leaf.rule->type) {
    case RuleType::distinct_values_count: return judge(leaf, groups.distinct, "");
    case RuleType::entropy: return judge(leaf, groups.entropy, "");
    case RuleType::unique_value_ratio:
      return judge(leaf, groups.distinct == 0 ? 1 : groups.unique / groups.distinct, "");
    default:
      leaf.failed_rows = static_cast<std::int64_t>(groups.rows - groups.unique);
      return judge(leaf, groups.rows == 0 ? 1 : groups.unique / groups.rows,
                   fmt::format("{} of {} values are not unique", count_text(groups.rows - groups.unique),
                               count_text(groups.rows)));
  }
}

// Compares a metric with what the rule wants. For conditions on rows it is the share of good ones, which must be all
// of them unless there is a threshold.
Result<void> Evaluation::judge(Leaf& leaf, std::optional<double> number, const std::string& detail) {
  const Rule& rule = *leaf.rule;
  const std::string metric = metric_name(rule);
  if (!number)
    return failed("quality.no_values", fmt::format("there is no value to take {} of", metric));
  leaf.metrics.push_back({metric, *number});
  const bool is_about_rows = rule.type == RuleType::column_values || rule.type == RuleType::column_length ||
                             rule.type == RuleType::column_data_type || rule.type == RuleType::data_freshness ||
                             rule.type == RuleType::is_complete || rule.type == RuleType::is_unique ||
                             (rule.type == RuleType::custom_sql && !rule.condition);
  static const Condition kAll = [] {
    NumberExpression one;
    one.number = 1;
    one.text = "1";
    return Condition{Operator::equal, {one}};
  }();
  const Condition& wanted = rule.threshold ? *rule.threshold : is_about_rows ? kAll : *rule.condition;
  const std::int64_t runs = dqdl::runs_needed(wanted);
  const std::vector<double> earlier = SHOPLAKE_TRY(history(metric, runs));
  std::vector<double> right;
  for (const dqdl::Operand& operand : wanted.operands) {
    const std::optional<double> each = dqdl::evaluate(std::get<NumberExpression>(operand), earlier);
    if (!each) {
      leaf.expected = dqdl::to_string(wanted);
      return failed("quality.no_history",
                    fmt::format("{} has no value yet: this run is what the next one compares with", leaf.expected));
    }
    right.push_back(*each);
  }
  leaf.expected = expected_text(wanted, right, runs > 0);
  leaf.outcome = holds(*number, wanted.op, right) ? Outcome::pass : Outcome::fail;
  if (leaf.outcome == Outcome::fail) {
    leaf.message = fmt::format("{} is {}, not {}", metric, number_text(*number), leaf.expected);
    if (!detail.empty())
      leaf.message += ": " + detail;
  }
  return {};
}
}  // namespace shoplake::quality
