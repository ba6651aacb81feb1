#include "quality/metric_name.h"

#include <fmt/format.h>

#include "dqdl/reference.h"

namespace shoplake::quality {
namespace {

using dqdl::RuleType;

std::string_view last_part(const dqdl::Rule& rule) {
  switch (rule.type) {
    case RuleType::column_data_type: return "ColumnDataType.Compliance";
    case RuleType::column_exists: return "";
    case RuleType::column_length: return "ColumnLength.Compliance";
    case RuleType::column_values: return "ColumnValues.Compliance";
    case RuleType::custom_sql: return rule.condition ? "CustomSQL" : "CustomSQL.Compliance";
    case RuleType::data_freshness: return "DataFreshness.Compliance";
    case RuleType::is_complete: return "Completeness";
    case RuleType::is_primary_key:
    case RuleType::is_unique: return "Uniqueness";
    default: return dqdl::name(rule.type);
  }
}

std::vector<std::string> columns_of(const dqdl::Rule& rule) {
  switch (rule.type) {
    case RuleType::column_count:
    case RuleType::custom_sql:
    case RuleType::row_count:
    case RuleType::row_count_match: return {};
    case RuleType::referential_integrity: return dqdl::column_list(rule.parameters[0]);
    case RuleType::aggregate_match: {
      const auto left = dqdl::parse_column_aggregate(rule.parameters[0]);
      const auto right = dqdl::parse_column_aggregate(rule.parameters[1]);
      return left->column == right->column ? std::vector{left->column} : std::vector{left->column, right->column};
    }
    default: return rule.parameters;
  }
}

}  // namespace

std::string metric_name(const dqdl::Rule& rule, std::string_view what) {
  const std::vector<std::string> columns = columns_of(rule);
  std::string name;
  if (columns.empty()) {
    name = fmt::format("Dataset.*.{}", what);
  } else {
    const bool is_multicolumn = columns.size() > 1 && rule.type != RuleType::aggregate_match;
    name = fmt::format("{}.[{}].{}", is_multicolumn ? "Multicolumn" : "Column", fmt::join(columns, ","), what);
  }
  return rule.where.empty() ? name : name + " where " + rule.where;
}

std::string metric_name(const dqdl::Rule& rule) {
  const std::string_view what = last_part(rule);
  return what.empty() ? std::string() : metric_name(rule, what);
}

}  // namespace shoplake::quality
