#include "dqdl/rule.h"

#include <algorithm>
#include <iterator>

namespace shoplake::dqdl {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char next = at + 1 < text.size() ? text[at + 1] : '"';
    if (text[at] == '"' || (text[at] == '\\' && (next == '"' || next == '\\')))
      out += '\\';
    out += text[at];
  }
  return out + "\"";
}

struct OperandText {
  std::string operator()(const NumberExpression& number) const { return to_string(number); }
  std::string operator()(const std::string& text) const { return quoted(text); }
  std::string operator()(Keyword keyword) const {
    switch (keyword) {
      case Keyword::null: return "NULL";
      case Keyword::empty: return "EMPTY";
      default: return "WHITESPACES_ONLY";
    }
  }
  std::string operator()(const Moment& moment) const { return moment.text; }
  std::string operator()(const Duration& duration) const { return duration.text; }
};

// A sum as the first end of between would swallow nothing, but reads badly without parentheses.
std::string end_text(const Operand& operand) {
  const std::string text = std::visit(OperandText(), operand);
  const auto* number = std::get_if<NumberExpression>(&operand);
  const bool is_sum = number != nullptr && number->kind != NumberKind::literal && number->operands.size() == 2 &&
                      number->kind != NumberKind::index;
  return is_sum ? "(" + text + ")" : text;
}

}  // namespace

std::string_view name(RuleType type) {
  switch (type) {
    case RuleType::aggregate_match: return "AggregateMatch";
    case RuleType::column_count: return "ColumnCount";
    case RuleType::column_data_type: return "ColumnDataType";
    case RuleType::column_exists: return "ColumnExists";
    case RuleType::column_length: return "ColumnLength";
    case RuleType::column_values: return "ColumnValues";
    case RuleType::completeness: return "Completeness";
    case RuleType::custom_sql: return "CustomSql";
    case RuleType::data_freshness: return "DataFreshness";
    case RuleType::distinct_values_count: return "DistinctValuesCount";
    case RuleType::entropy: return "Entropy";
    case RuleType::is_complete: return "IsComplete";
    case RuleType::is_primary_key: return "IsPrimaryKey";
    case RuleType::is_unique: return "IsUnique";
    case RuleType::mean: return "Mean";
    case RuleType::referential_integrity: return "ReferentialIntegrity";
    case RuleType::row_count: return "RowCount";
    case RuleType::row_count_match: return "RowCountMatch";
    case RuleType::standard_deviation: return "StandardDeviation";
    case RuleType::sum: return "Sum";
    case RuleType::unique_value_ratio: return "UniqueValueRatio";
    case RuleType::uniqueness: return "Uniqueness";
  }
  return "";
}

std::string_view symbol(Operator op) {
  switch (op) {
    case Operator::equal: return "=";
    case Operator::not_equal: return "!=";
    case Operator::less: return "<";
    case Operator::less_equal: return "<=";
    case Operator::greater: return ">";
    case Operator::greater_equal: return ">=";
    case Operator::between: return "between";
    case Operator::not_between: return "not between";
    case Operator::in: return "in";
    case Operator::not_in: return "not in";
    case Operator::matches: return "matches";
    case Operator::not_matches: return "not matches";
  }
  return "";
}

bool is_negated(Operator op) { return op == Operator::not_equal || op == Operator::not_in; }

std::string to_string(const Condition& condition) {
  std::string text(symbol(condition.op));
  text += ' ';
  switch (condition.op) {
    case Operator::between:
    case Operator::not_between:
      return text + end_text(condition.operands[0]) + " and " + end_text(condition.operands[1]);
    case Operator::in:
    case Operator::not_in: {
      std::string list;
      for (const Operand& operand : condition.operands)
        list += (list.empty() ? "" : ", ") + std::visit(OperandText(), operand);
      return text + "[" + list + "]";
    }
    default: return text + std::visit(OperandText(), condition.operands[0]);
  }
}

std::string to_string(const Rule& rule) {
  if (rule.kind != Rule::Kind::single) {
    std::string text;
    for (const Rule& part : rule.parts) {
      if (!text.empty())
        text += rule.kind == Rule::Kind::all_of ? " and " : " or ";
      text += "(" + to_string(part) + ")";
    }
    return text;
  }
  std::string text(name(rule.type));
  for (const std::string& parameter : rule.parameters)
    text += " " + quoted(parameter);
  if (rule.condition)
    text += " " + to_string(*rule.condition);
  if (!rule.where.empty())
    text += " where " + quoted(rule.where);
  if (rule.threshold)
    text += " with threshold " + to_string(*rule.threshold);
  return text;
}

bool asks_each_row(const Rule& rule) {
  if (rule.kind != Rule::Kind::single)
    return std::all_of(rule.parts.begin(), rule.parts.end(), asks_each_row);
  constexpr RuleType kOfRows[] = {RuleType::column_data_type,     RuleType::column_length,  RuleType::column_values,
                                  RuleType::completeness,         RuleType::data_freshness, RuleType::is_complete,
                                  RuleType::referential_integrity};
  return std::find(std::begin(kOfRows), std::end(kOfRows), rule.type) != std::end(kOfRows) && runs_needed(rule) == 0;
}

bool asks_own_rows_only(const Rule& rule) {
  if (rule.kind != Rule::Kind::single)
    return std::all_of(rule.parts.begin(), rule.parts.end(), asks_own_rows_only);
  constexpr RuleType kOfMore[] = {RuleType::aggregate_match, RuleType::custom_sql, RuleType::data_freshness,
                                  RuleType::referential_integrity, RuleType::row_count_match};
  const auto reads_clock = [](const std::optional<Condition>& condition) {
    return condition && std::any_of(condition->operands.begin(), condition->operands.end(), [](const Operand& operand) {
             return std::holds_alternative<Moment>(operand) || std::holds_alternative<Duration>(operand);
           });
  };
  return std::find(std::begin(kOfMore), std::end(kOfMore), rule.type) == std::end(kOfMore) && runs_needed(rule) == 0 &&
         !reads_clock(rule.condition) && !reads_clock(rule.threshold);
}

std::int64_t runs_needed(const Condition& condition) {
  std::int64_t runs = 0;
  for (const Operand& operand : condition.operands) {
    if (const auto* number = std::get_if<NumberExpression>(&operand))
      runs = std::max(runs, runs_needed(*number));
  }
  return runs;
}

std::int64_t runs_needed(const Rule& rule) {
  std::int64_t runs = 0;
  for (const Rule& part : rule.parts)
    runs = std::max(runs, runs_needed(part));
  if (rule.condition)
    runs = std::max(runs, runs_needed(*rule.condition));
  if (rule.threshold)
    runs = std::max(runs, runs_needed(*rule.threshold));
  return runs;
}

}  // namespace shoplake::dqdl
