#include "quality/row_condition.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace shoplake::quality {
namespace {

using base::ErrorKind;
using dqdl::Condition;
using dqdl::Keyword;
using dqdl::Moment;
using dqdl::NumberExpression;
using dqdl::Operand;
using dqdl::Operator;

base::Error wrong_type(const engine::Column& column, std::string_view what) {
  return base::make_error(ErrorKind::failed, "quality.column_type",
                          fmt::format("the column {} is {}, {}", column.name, column.type, what));
}

// "2022-06-01", "2022-06-01 12:30", "2022-06-01T12:30:00.5".
bool is_date_text(std::string_view text) {
  static constexpr std::string_view kForm = "0000-00-00 00:00:00.000000";
  if (text.size() != 10 && text.size() != 16 && text.size() < 19)
    return false;
  if (text.size() > kForm.size())
    return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(text[at])) != 0;
    if (kForm[at] == '0' ? !is_digit : text[at] != kForm[at] && !(at == 10 && text[at] == 'T'))
      return false;
  }
  return true;
}

std::string identifier(const engine::Column& column) { return engine::quote_identifier(column.name); }

std::string compare(const std::string& left, Operator op, const std::vector<std::string>& right) {
  switch (op) {
    case Operator::between: return fmt::format("({0} > {1} AND {0} < {2})", left, right[0], right[1]);
    case Operator::not_between: return fmt::format("({0} <= {1} OR {0} >= {2})", left, right[0], right[1]);
    case Operator::in: return fmt::format("{} IN ({})", left, fmt::join(right, ", "));
    case Operator::not_in: return fmt::format("{} NOT IN ({})", left, fmt::join(right, ", "));
    default: return fmt::format("{} {} {}", left, dqdl::symbol(op), right[0]);
  }
}

std::string never_null(const std::string& condition) { return fmt::format("coalesce({}, false)", condition); }

bool is_order(Operator op) { return op >= Operator::less && op <= Operator::not_between; }

// One side of a comparison that ColumnValues makes with the column, each in the column's own terms.
class Values {
 public:
  Values(const engine::Column& column, const Condition& condition, const RowContext& context)
      : column_(column), condition_(condition), context_(context), kind_(kind_of(column)) {}

  Result<std::string> sql() {
    if (kind_ == ColumnKind::other && !only_null())
      return wrong_type(column_, "and only NULL can be looked for in it");
    if (condition_.op == Operator::matches || condition_.op == Operator::not_matches)
      return match();
    return is_order(condition_.op) ? order() : equality();
  }

 private:
  bool only_null() const {
    return std::all_of(condition_.operands.begin(), condition_.operands.end(), [](const Operand& operand) {
      const auto* keyword = std::get_if<Keyword>(&operand);
      return keyword != nullptr && *keyword == Keyword::null;
    });
  }

  std::string as_text() const {
    return kind_ == ColumnKind::text ? identifier(column_) : fmt::format("CAST({} AS VARCHAR)", identifier(column_));
  }
  std::string as_number() const {
    return kind_ == ColumnKind::number ? identifier(column_)
                                       : fmt::format("TRY_CAST({} AS DOUBLE)", identifier(column_));
  }

  std::string match() const {
    const std::string pattern = engine::quote_literal(std::get<std::string>(condition_.operands[0]));
    const std::string matches = fmt::format("regexp_full_match({}, {})", as_text(), pattern);
    return never_null(condition_.op == Operator::matches ? matches : "NOT " + matches);
  }

  // A number of the rule; of last() the smallest or greatest values of the last runs.
  Result<std::string> number(const NumberExpression& expression, bool is_upper) const {
    if (expression.kind == dqdl::NumberKind::literal)
      return expression.text;
    const std::optional<double> value = dqdl::evaluate(expression, is_upper ? context_.maxima : context_.minima);
    if (!value)
      return base::make_error(ErrorKind::failed, "quality.no_history",
                              fmt::format("{} has no value yet", dqdl::to_string(expression)));
    return fmt::format("{}", *value);
  }

  Result<std::string> moment(const Operand& operand) const {
    if (const auto* now = std::get_if<Moment>(&operand))
      return fmt::format("make_timestamp({})", context_.now_micros + now->offset_micros);
    const auto* text = std::get_if<std::string>(&operand);
    if (text == nullptr)
      return wrong_type(column_, "and has no order with numbers");
    if (!is_date_text(*text))
      return wrong_type(column_, fmt::format("and \"{}\" is no date such as 2026-01-31 or 2026-01-31 12:30", *text));
    return "TIMESTAMP " + engine::quote_literal(*text);
  }

  Result<std::string> order() const {
    const bool with_numbers =
        std::all_of(condition_.operands.begin(), condition_.operands.end(),
                    [](const auto& operand) { return std::holds_alternative<NumberExpression>(operand); });
    std::vector<std::string> right;
    if (!with_numbers) {
      for (const Operand& operand : condition_.operands)
        right.push_back(SHOPLAKE_TRY(moment(operand)));
      return never_null(compare(SHOPLAKE_TRY(as_timestamp(column_)), condition_.op, right));
    }
    if (kind_ == ColumnKind::time || kind_ == ColumnKind::boolean)
      return wrong_type(column_, "and has no order with numbers");
    for (std::size_t at = 0; at < condition_.operands.size(); ++at) {
      const bool is_upper = at == 1 || condition_.op == Operator::less || condition_.op == Operator::less_equal;
      right.push_back(SHOPLAKE_TRY(number(std::get<NumberExpression>(condition_.operands[at]), is_upper)));
    }
    return never_null(compare(as_number(), condition_.op, right));
  }

  Result<std::string> equality() const {
    std::vector<std::string> any, numbers, texts;
    bool names_null = false;
    for (const Operand& operand : condition_.operands) {
      if (const auto* keyword = std::get_if<Keyword>(&operand)) {
        names_null = names_null || *keyword == Keyword::null;
        if (*keyword == Keyword::empty)
          any.push_back(as_text() + " = ''");
        if (*keyword == Keyword::whitespaces_only)
          any.push_back(fmt::format("regexp_full_match({}, '\\s+')", as_text()));
      } else if (const auto* number = std::get_if<NumberExpression>(&operand)) {
        if (kind_ == ColumnKind::time)
          return wrong_type(column_, "and cannot be equal to a number");
        numbers.push_back(SHOPLAKE_TRY(this->number(*number, false)));
      } else if (kind_ == ColumnKind::time || std::holds_alternative<Moment>(operand)) {
        any.push_back(fmt::format("{} = {}", SHOPLAKE_TRY(as_timestamp(column_)), SHOPLAKE_TRY(moment(operand))));
      } else {
        texts.push_back(engine::quote_literal(std::get<std::string>(operand)));
      }
    }
    if (!numbers.empty())
      any.push_back(compare(as_number(), Operator::in, numbers));
    if (!texts.empty())
      any.push_back(compare(as_text(), Operator::in, texts));
    const std::string found = any.empty() ? "false" : never_null(fmt::format("({})", fmt::join(any, " OR ")));
    const std::string is_null = identifier(column_) + " IS NULL";
    if (dqdl::is_negated(condition_.op))
      return names_null ? fmt::format("(NOT ({}) AND NOT {})", is_null, found) : fmt::format("(NOT {})", found);
    return names_null ? fmt::format("({} OR {})", is_null, found) : found;
  }

  const engine::Column& column_;
  const Condition& condition_;
  const RowContext& context_;
  ColumnKind kind_;
};

const char* engine_type(std::string_view data_type) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {
      {"BOOLEAN", "BOOLEAN"}, {"DATE", "DATE"},          {"DECIMAL", "DECIMAL(38,10)"},
      {"DOUBLE", "DOUBLE"},   {"FLOAT", "FLOAT"},        {"INTEGER", "INTEGER"},
      {"LONG", "BIGINT"},     {"TIMESTAMP", "TIMESTAMP"}};
  for (const auto& [name, type] : kTypes) {
    if (name == data_type)
      return type;
  }
  return "VARCHAR";
}

}  // namespace

ColumnKind kind_of(const engine::Column& column) {
  static constexpr std::string_view kNumbers[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",   "HUGEINT", "UTINYINT",
                                                  "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT",   "DOUBLE"};
  const std::string_view type = column.type;
  if (type.ends_with(']') || type.starts_with("STRUCT") || type.starts_with("MAP") || type.starts_with("UNION"))
    return ColumnKind::other;
  if (std::find(std::begin(kNumbers), std::end(kNumbers), type) != std::end(kNumbers) || type.starts_with("DECIMAL"))
    return ColumnKind::number;
  if (type == "DATE" || type.starts_with("TIMESTAMP"))
    return ColumnKind::time;
  if (type == "BOOLEAN")
    return ColumnKind::boolean;
  return type == "VARCHAR" || type == "UUID" || type.starts_with("ENUM") ? ColumnKind::text : ColumnKind::other;
}

Result<std::string> as_timestamp(const engine::Column& column) {
  switch (kind_of(column)) {
    case ColumnKind::time: return fmt::format("CAST({} AS TIMESTAMP)", identifier(column));
    case ColumnKind::text:
      return fmt::format("coalesce(TRY_CAST({0} AS TIMESTAMP), try_strptime({0}, '%Y%m%d'))", identifier(column));
    default: return wrong_type(column, "which is no date and no text of one");
  }
}

std::string length_of(const engine::Column& column) {
  const std::string text =
      kind_of(column) == ColumnKind::text ? identifier(column) : fmt::format("CAST({} AS VARCHAR)", identifier(column));
  return fmt::format("length(coalesce({}, ''))", text);
}

Result<std::string> values_condition(const engine::Column& column, const Condition& condition,
                                     const RowContext& context) {
  return Values(column, condition, context).sql();
}

Result<std::string> length_condition(const engine::Column& column, const Condition& condition) {
  if (kind_of(column) == ColumnKind::other)
    return wrong_type(column, "which has no length");
  std::vector<std::string> right;
  for (const Operand& operand : condition.operands) {
    const std::optional<double> value = dqdl::evaluate(std::get<NumberExpression>(operand), {});
    if (!value)
      return base::make_error(ErrorKind::failed, "quality.no_history", "ColumnLength cannot look back at earlier runs");
    right.push_back(fmt::format("{}", *value));
  }
  return never_null(compare(length_of(column), condition.op, right));
}

std::string data_type_condition(const engine::Column& column, const Condition& condition) {
  std::vector<std::string> any{identifier(column) + " IS NULL"};
  for (const Operand& operand : condition.operands) {
    std::string type = std::get<std::string>(operand);
    std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
    any.push_back(fmt::format("TRY_CAST({} AS {}) IS NOT NULL", identifier(column), engine_type(type)));
  }
  if (!dqdl::is_negated(condition.op))
    return fmt::format("({})", fmt::join(any, " OR "));
  return fmt::format("({} OR NOT ({}))", any[0], fmt::join(any.begin() + 1, any.end(), " OR "));
}

Result<std::string> freshness_condition(const engine::Column& column, const Condition& condition,
                                        std::int64_t now_micros) {
  std::vector<std::string> right;
  for (const Operand& operand : condition.operands)
    right.push_back(std::to_string(std::get<dqdl::Duration>(operand).micros));
  const std::string age = fmt::format("({} - epoch_us({}))", now_micros, SHOPLAKE_TRY(as_timestamp(column)));
  return never_null(compare(age, condition.op, right));
}

}  // namespace shoplake::quality
