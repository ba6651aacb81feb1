#include "quality/evaluation.h"

#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "dqdl/reference.h"
#include "quality/metric_name.h"
#include "quality/row_condition.h"

namespace shoplake::quality {
namespace {

bool is_about_columns(RuleType type) {
  switch (type) {
    case RuleType::aggregate_match:
    case RuleType::column_count:
    case RuleType::column_exists:
    case RuleType::custom_sql:
    case RuleType::referential_integrity:
    case RuleType::row_count:
    case RuleType::row_count_match: return false;
    default: return true;
  }
}

}  // namespace

Result<void> Evaluation::describe() {
  const engine::ResultSet described = SHOPLAKE_TRY(query("DESCRIBE SELECT * FROM " + subject_.relation));
  for (std::int64_t row = 0; row < described.row_count(); ++row) {
    engine::Column column{described.text(row, 0).value_or(""), described.text(row, 1).value_or("")};
    columns_.emplace(lower(column.name), column);
    names_.push_back(std::move(column.name));
  }
  return {};
}

Result<engine::Column> Evaluation::column(const std::string& given) {
  const auto found = columns_.find(lower(given));
  if (found != columns_.end())
    return found->second;
  const std::string meant = base::nearest_name(given, names_);
  return failed("quality.no_such_column", fmt::format("{} has no column {}", subject_.table, given),
                meant.empty() ? "" : fmt::format("Did you mean {}?", meant));
}

std::size_t Evaluation::aggregate(Leaf& leaf, const std::string& sql) {
  const std::string filtered =
      leaf.rule->where.empty() ? sql : fmt::format("{} FILTER (WHERE ({}\n))", sql, leaf.rule->where);
  const auto [found, is_new] = aggregate_index_.emplace(filtered, aggregates_.size());
  if (is_new)
    aggregates_.push_back(filtered);
  leaf.aggregates.push_back(found->second);
  return found->second;
}

void Evaluation::count_good(Leaf& leaf, std::string good) {
  leaf.good = std::move(good);
  aggregate(leaf, "count(*)");
  aggregate(leaf, fmt::format("count(CASE WHEN {} THEN 1 END)", leaf.good));
}

Result<std::vector<double>> Evaluation::history(const std::string& metric, std::int64_t runs) {
  if (runs == 0)
    return std::vector<double>();
  if (!options_.history)
    return failed("quality.no_history", "there is no history of earlier runs");
  return options_.history(subject_.table, metric, runs);
}

Result<void> Evaluation::plan(Leaf& leaf) {
  const Rule& rule = *leaf.rule;
  SHOPLAKE_TRY(check_where(rule));
  if (is_about_columns(rule.type)) {
    for (const std::string& name : rule.parameters)
      leaf.columns.push_back(SHOPLAKE_TRY(column(name)));
  }
  const auto first = [&] { return engine::quote_identifier(leaf.columns[0].name); };
  switch (rule.type) {
    case RuleType::row_count: aggregate(leaf, "count(*)"); return {};
    case RuleType::is_complete:
    case RuleType::completeness: count_good(leaf, first() + " IS NOT NULL"); return {};
    case RuleType::mean: return plan_number(leaf, fmt::format("avg({})", first()));
    case RuleType::sum: return plan_number(leaf, fmt::format("sum({})", first()));
    case RuleType::standard_deviation: return plan_number(leaf, fmt::format("stddev_pop({})", first()));
    case RuleType::column_values: return plan_values(leaf);
    case RuleType::column_length: return plan_length(leaf);
    case RuleType::column_data_type: count_good(leaf, data_type_condition(leaf.columns[0], *rule.condition)); return {};
    case RuleType::data_freshness:
      count_good(leaf, SHOPLAKE_TRY(freshness_condition(leaf.columns[0], *rule.condition, options_.now_micros)));
      aggregate(leaf, fmt::format("max(epoch_us({}))", SHOPLAKE_TRY(as_timestamp(leaf.columns[0]))));
      return {};
    case RuleType::is_primary_key: {
      std::vector<std::string> given;
      for (const engine::Column& each : leaf.columns)
        given.push_back(engine::quote_identifier(each.name) + " IS NOT NULL");
      count_good(leaf, fmt::format("({})", fmt::join(given, " AND ")));
      plan_grouping(leaf);
      return {};
    }
    case RuleType::is_unique:
    case RuleType::uniqueness:
    case RuleType::unique_value_ratio:
    case RuleType::distinct_values_count:
    case RuleType::entropy: plan_grouping(leaf); return {};
    case RuleType::referential_integrity:
      for (const std::string& name : dqdl::column_list(rule.parameters[0]))
        leaf.columns.push_back(SHOPLAKE_TRY(column(name)));
      return {};
    case RuleType::custom_sql:
      if (!rule.condition)
        aggregate(leaf, "count(*)");
      return {};
    default: return {};
  }
}

// The filter alone must be a condition that the engine understands: what else stands in the common statement does not
// fail for it.
Result<void> Evaluation::check_where(const Rule& rule) {
  if (rule.where.empty())
    return {};
  const std::string sql = fmt::format("SELECT 1 FROM {} WHERE ({}\n)", subject_.relation, rule.where);
  SHOPLAKE_TRY(options_.session->check_read_only(sql));
  SHOPLAKE_TRY(query("DESCRIBE " + sql).within("where"));
  return {};
}

Result<void> Evaluation::plan_number(Leaf& leaf, const std::string& sql) {
  const engine::Column& column = leaf.columns[0];
  if (kind_of(column) != ColumnKind::number) {
    return failed("quality.column_type", fmt::format("the column {} is {}, and {} is of numbers", column.name,
                                                     column.type, dqdl::name(leaf.rule->type)));
  }
  aggregate(leaf, sql);
  return {};
}

Result<void> Evaluation::plan_values(Leaf& leaf) {
  const Rule& rule = *leaf.rule;
  const engine::Column& column = leaf.columns[0];
  const std::int64_t runs = dqdl::runs_needed(*rule.condition);
  const std::vector<double> minima = SHOPLAKE_TRY(history(metric_name(rule, "Minimum"), runs));
  const std::vector<double> maxima = SHOPLAKE_TRY(history(metric_name(rule, "Maximum"), runs));
  // Where the condition looks back, the least and greatest values of this run are what the next one compares with.
  if (kind_of(column) == ColumnKind::number) {
    const RowContext context{options_.now_micros, minima, maxima};
    const Result<std::string> good = values_condition(column, *rule.condition, context);
    if (!good.ok() && good.error().code == "quality.no_history") {
      leaf.no_history = good.error().message;
      count_good(leaf, "true");
    } else {
      count_good(leaf, SHOPLAKE_TRY(Result<std::string>(good)));
    }
    const std::string name = engine::quote_identifier(column.name);
    aggregate(leaf, fmt::format("min({})", name));
    aggregate(leaf, fmt::format("max({})", name));
    return {};
  }
  count_good(leaf, SHOPLAKE_TRY(values_condition(column, *rule.condition, {options_.now_micros, minima, maxima})));
  return {};
}

Result<void> Evaluation::plan_length(Leaf& leaf) {
  count_good(leaf, SHOPLAKE_TRY(length_condition(leaf.columns[0], *leaf.rule->condition)));
  aggregate(leaf, fmt::format("min({})", length_of(leaf.columns[0])));
  aggregate(leaf, fmt::format("max({})", length_of(leaf.columns[0])));
  return {};
}

std::string Evaluation::column_list(const Leaf& leaf) const {
  std::vector<std::string> names;
  for (const engine::Column& each : leaf.columns)
    names.push_back(engine::quote_identifier(each.name));
  return fmt::format("{}", fmt::join(names, ", "));
}

// Rows of the relation whose columns are not all NULL, filtered as the rule says.
std::string Evaluation::grouped_rows(const Leaf& leaf) const {
  std::vector<std::string> given;
  for (const engine::Column& each : leaf.columns)
    given.push_back(engine::quote_identifier(each.name) + " IS NOT NULL");
  std::string where = fmt::format("({})", fmt::join(given, " OR "));
  if (!leaf.rule->where.empty())
    where += fmt::format(" AND ({}\n)", leaf.rule->where);
  return fmt::format("{} WHERE {}", subject_.relation, where);
}

void Evaluation::plan_grouping(Leaf& leaf) {
  leaf.group = column_list(leaf) + "\n" + leaf.rule->where;
  Grouping& grouping = groupings_[leaf.group];
  grouping.sql = fmt::format(
      "SELECT count(*), count(CASE WHEN n = 1 THEN 1 END), coalesce(sum(n), 0), "
      "coalesce(ln(sum(n)) - sum(n * ln(n)) / sum(n), 0) "
      "FROM (SELECT count(*) AS n FROM {} GROUP BY {}) AS grouped",
      grouped_rows(leaf), column_list(leaf));
}
}  // namespace shoplake::quality
