#include "dqdl/parser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/nearest_name.h"
#include "dqdl/lexer.h"
#include "dqdl/reference.h"

namespace shoplake::dqdl {
namespace {

using base::Error;
using base::ErrorKind;

enum class Takes { nothing, numbers, values, data_types, durations, numbers_if_any };

// What may follow the name of a type.
struct Form {
  RuleType type;
  std::size_t parameters_min;
  std::size_t parameters_max;
  Takes takes;
  bool threshold;
  bool where;
};

constexpr std::size_t kColumnsMax = 32;

constexpr Form kForms[] = {
    {RuleType::aggregate_match, 2, 2, Takes::numbers, false, false},
    {RuleType::column_count, 0, 0, Takes::numbers, false, false},
    {RuleType::column_data_type, 1, 1, Takes::data_types, true, true},
    {RuleType::column_exists, 1, 1, Takes::nothing, false, false},
    {RuleType::column_length, 1, 1, Takes::numbers, true, true},
    {RuleType::column_values, 1, 1, Takes::values, true, true},
    {RuleType::completeness, 1, 1, Takes::numbers, false, true},
    {RuleType::custom_sql, 1, 1, Takes::numbers_if_any, true, false},
    {RuleType::data_freshness, 1, 1, Takes::durations, true, true},
    {RuleType::distinct_values_count, 1, 1, Takes::numbers, false, true},
    {RuleType::entropy, 1, 1, Takes::numbers, false, true},
    {RuleType::is_complete, 1, 1, Takes::nothing, false, true},
    {RuleType::is_primary_key, 1, kColumnsMax, Takes::nothing, false, true},
    {RuleType::is_unique, 1, kColumnsMax, Takes::nothing, false, true},
    {RuleType::mean, 1, 1, Takes::numbers, false, true},
    {RuleType::referential_integrity, 2, 2, Takes::numbers, false, true},
    {RuleType::row_count, 0, 0, Takes::numbers, false, true},
    {RuleType::row_count_match, 1, 1, Takes::numbers, false, false},
    {RuleType::standard_deviation, 1, 1, Takes::numbers, false, true},
    {RuleType::sum, 1, 1, Takes::numbers, false, true},
    {RuleType::unique_value_ratio, 1, 1, Takes::numbers, false, true},
    {RuleType::uniqueness, 1, kColumnsMax, Takes::numbers, false, true},
};

// Of DQDL, but not evaluated here.
constexpr std::string_view kUnsupportedTypes[] = {
    "AllStatistics", "ColumnCorrelation", "ColumnNamesMatchPattern", "DatasetMatch", "DetectAnomalies", "FileFreshness",
    "FileMatch",     "FileSize",          "FileUniqueness",          "JobDuration",  "JobStatus",       "SchemaMatch",
    "Variance",
};

constexpr std::pair<std::string_view, NumberKind> kFunctions[] = {
    {"abs", NumberKind::absolute},  {"average", NumberKind::average}, {"avg", NumberKind::average},
    {"index", NumberKind::index},   {"last", NumberKind::last},       {"max", NumberKind::maximum},
    {"median", NumberKind::median}, {"min", NumberKind::minimum},     {"std", NumberKind::deviation},
    {"sum", NumberKind::sum},
};

constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
    {"minute", 60'000'000LL},   {"minutes", 60'000'000LL}, {"hour", 3'600'000'000LL},
    {"hours", 3'600'000'000LL}, {"day", 86'400'000'000LL}, {"days", 86'400'000'000LL},
};
constexpr double kDurationMicrosMax = 86'400'000'000.0 * 366 * 1000;

constexpr std::string_view kDataTypes[] = {"BOOLEAN", "DATE", "DECIMAL", "DOUBLE",   "FLOAT",
                                           "INTEGER", "LONG", "STRING",  "TIMESTAMP"};

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string join(auto&& items) {
  std::string text;
  for (const auto& item : items)
    text += (text.empty() ? "" : ", ") + std::string(item);
  return text;
}

class Parser {
 public:
  Parser(std::string_view text, const Origin& origin) : text_(text), origin_(origin) {}

  Result<Rule> rule() {
    SHOPLAKE_TRY(read_tokens());
    Rule parsed = SHOPLAKE_TRY(composite(0));
    if (!at_end()) {
      const bool is_list = is_symbol(",");
      return syntax(is_list ? "only one rule may stand here" : "'" + peek().value + "' follows the rule's end",
                    is_list ? "Write each rule as an item of its own." : "");
    }
    return parsed;
  }

  Result<std::vector<Rule>> document() {
    SHOPLAKE_TRY(read_tokens());
    if (peek().kind != Token::Kind::word || peek().value != "Rules")
      return syntax("a document begins with Rules = [", "Sections such as Analyzers are not supported.");
    next();
    SHOPLAKE_TRY(expect("="));
    SHOPLAKE_TRY(expect("["));
    std::vector<Rule> rules;
    while (!is_symbol("]")) {
      rules.push_back(SHOPLAKE_TRY(composite(0)));
      if (!is_symbol(","))
        break;
      next();
    }
    SHOPLAKE_TRY(expect("]"));
    if (!at_end())
      return syntax("'" + peek().value + "' follows the list of rules", "");
    return rules;
  }

 private:
  Error error(const char* code, std::size_t offset, const std::string& message, std::string advice) const {
    return base::make_error(ErrorKind::usage, code, place_of(text_, offset, origin_) + ": " + message,
                            std::move(advice));
  }
  Error syntax(const std::string& message, std::string advice) const {
    return error("dqdl.syntax", peek().offset, message, std::move(advice));
  }

  Result<void> read_tokens() {
    if (text_.size() > kRuleBytesMax)
      return error("dqdl.syntax", 0, "the rule is longer than " + std::to_string(kRuleBytesMax) + " bytes", "");
    tokens_ = SHOPLAKE_TRY(tokens_of(text_, [this](std::size_t offset, const std::string& message, std::string advice) {
      return error("dqdl.syntax", offset, message, std::move(advice));
    }));
    return {};
  }

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = peek();
    at_ = std::min(at_ + 1, tokens_.size() - 1);
    return token;
  }
  bool at_end() const { return peek().kind == Token::Kind::end; }
  bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::symbol && peek(ahead).value == symbol;
  }
  bool is_word(std::string_view word, std::size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::word && peek(ahead).value == word;
  }
  std::string found() const { return at_end() ? "the rule ends" : "'" + peek().value + "' stands"; }
  Result<void> expect(std::string_view symbol) {
    if (!is_symbol(symbol))
      return syntax(found() + " where " + std::string(symbol) + " is expected", "");
    next();
    return {};
  }

  // ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────

  Result<Rule> composite(int depth) {
    if (depth > kDepthMax)
      return syntax("rules are nested more than " + std::to_string(kDepthMax) + " deep", "");
    if (!is_symbol("("))
      return single();
    Rule all;
    all.parts.push_back(SHOPLAKE_TRY(part(depth)));
    std::string connective;
    while (is_word("and") || is_word("AND") || is_word("or") || is_word("OR")) {
      const std::string word = upper(peek().value);
      if (!connective.empty() && word != connective)
        return syntax("and and or stand side by side", "Put parentheses around the rules that belong together.");
      connective = word;
      next();
      if (!is_symbol("("))
        return syntax(found() + " where a rule in parentheses is expected",
                      "Each rule that and or or connects stands in parentheses.");
      all.parts.push_back(SHOPLAKE_TRY(part(depth)));
    }
    if (all.parts.size() == 1)
      return std::move(all.parts.front());
    all.kind = connective == "AND" ? Rule::Kind::all_of : Rule::Kind::any_of;
    return all;
  }

  Result<Rule> part(int depth) {
    SHOPLAKE_TRY(expect("("));
    Rule rule = SHOPLAKE_TRY(composite(depth + 1));
    SHOPLAKE_TRY(expect(")"));
    return rule;
  }

  Result<const Form*> form() {
    if (peek().kind != Token::Kind::word)
      return syntax(found() + " where a rule is expected", "A rule begins with its type: RowCount > 0");
    const std::string& given = peek().value;
    for (const Form& form : kForms) {
      if (name(form.type) == given)
        return &form;
    }
    if (std::find(std::begin(kUnsupportedTypes), std::end(kUnsupportedTypes), given) != std::end(kUnsupportedTypes)) {
      return error("dqdl.unsupported", peek().offset, given + " is a rule type of DQDL that shoplake does not evaluate",
                   "CustomSql can often say the same.");
    }
    std::vector<std::string> names;
    for (const Form& form : kForms)
      names.emplace_back(name(form.type));
    const std::string meant = base::nearest_name(given, names);
    return error("dqdl.unknown_rule", peek().offset, "there is no rule type " + given,
                 meant.empty() ? "Rule types: " + join(names) + "." : "Did you mean " + meant + "?");
  }

  static bool is_clause(const Token& token) {
    static constexpr std::string_view kWords[] = {"and", "AND",     "or",  "OR",    "between",
                                                  "in",  "matches", "not", "where", "with"};
    return token.kind == Token::Kind::word &&
           std::find(std::begin(kWords), std::end(kWords), token.value) != std::end(kWords);
  }

  Result<Rule> single() {
    const Form& form = *SHOPLAKE_TRY(this->form());
    const std::size_t begin = peek().offset;
    next();
    Rule rule;
    rule.type = form.type;
    SHOPLAKE_TRY(parameters(form, begin, rule));
    SHOPLAKE_TRY(condition(form, begin, rule));
    while (is_word("where") || is_word("with")) {
      if (is_word("where")) {
        SHOPLAKE_TRY(where(form, rule));
      } else {
        SHOPLAKE_TRY(threshold(form, rule));
      }
    }
    if (is_word("labels"))
      return error("dqdl.unsupported", peek().offset, "labels are not supported", "Use the rule's description.");
    if (rule.type == RuleType::custom_sql && rule.condition && rule.threshold) {
      return error("dqdl.syntax", begin, "CustomSql has a condition and a threshold",
                   "A condition is for SQL that gives one number, a threshold for SQL that gives the good rows.");
    }
    return rule;
  }

  Result<void> parameters(const Form& form, std::size_t begin, Rule& rule) {
    if (is_word("of"))
      next();
    std::vector<std::size_t> offsets;
    while (peek().kind == Token::Kind::text || (peek().kind == Token::Kind::word && !is_clause(peek()))) {
      if (is_word("labels") && is_symbol("=", 1))
        break;
      offsets.push_back(peek().offset);
      rule.parameters.push_back(next().value);
      if (rule.parameters.back().empty())
        return error("dqdl.syntax", offsets.back(), "a name is empty", "");
    }
    const std::size_t count = rule.parameters.size();
    if (count < form.parameters_min || count > form.parameters_max) {
      const std::string wanted =
          form.parameters_max == 0 ? "no names"
          : form.parameters_min == form.parameters_max
              ? std::to_string(form.parameters_min) + (form.parameters_min == 1 ? " name" : " names")
              : std::to_string(form.parameters_min) + " to " + std::to_string(form.parameters_max) + " names";
      return error("dqdl.syntax", count > form.parameters_max ? offsets[form.parameters_max] : begin,
                   std::string(name(form.type)) + " takes " + wanted + " in quotes, not " + std::to_string(count), "");
    }
    if (rule.type == RuleType::referential_integrity) {
      const auto reference = parse_reference(rule.parameters[1]);
      if (!reference) {
        return error("dqdl.syntax", offsets[1], "\"" + rule.parameters[1] + "\" names no column of another table",
                     "Write it as \"marts.dim_user.user_key\", or \"marts.dim_user.{a,b}\" for several.");
      }
      if (reference->columns.size() != column_list(rule.parameters[0]).size()) {
        return error("dqdl.syntax", offsets[1],
                     "the two sides of ReferentialIntegrity have different numbers of columns",
                     "Write as many columns on the right as on the left: \"a,b\" \"marts.x.{c,d}\".");
      }
    }
    if (rule.type == RuleType::aggregate_match) {
      for (std::size_t at = 0; at < 2; ++at) {
        if (!parse_column_aggregate(rule.parameters[at])) {
          return error("dqdl.syntax", offsets[at], "\"" + rule.parameters[at] + "\" is no sum or avg of a column",
                       "Write it as \"sum(amount)\" or \"avg(curated.orders.amount)\".");
        }
      }
    }
    return {};
  }

  Result<void> where(const Form& form, Rule& rule) {
    const std::size_t begin = peek().offset;
    if (!form.where)
      return error("dqdl.syntax", begin, std::string(name(form.type)) + " takes no where", "");
    if (!rule.where.empty())
      return error("dqdl.syntax", begin, "a second where", "Join the two with and.");
    next();
    if (peek().kind != Token::Kind::text || peek().value.empty())
      return syntax(found() + " where an SQL condition in quotes is expected", "where \"country = 'DE'\"");
    rule.where = next().value;
    return {};
  }

  Result<void> threshold(const Form& form, Rule& rule) {
    const std::size_t begin = next().offset;
    if (!is_word("threshold")) {
      return error("dqdl.unsupported", begin, "with " + peek().value + " is not supported", "Only with threshold is.");
    }
    if (!form.threshold)
      return error("dqdl.syntax", begin, std::string(name(form.type)) + " takes no threshold", "");
    if (rule.threshold)
      return error("dqdl.syntax", begin, "a second threshold", "");
    next();
    Condition condition;
    SHOPLAKE_TRY(operator_of(condition));
    SHOPLAKE_TRY(operands(condition, Takes::numbers));
    rule.threshold = std::move(condition);
    return {};
  }

  // ── conditions ────────────────────────────────────────────────────────────────────────────────────────────────

  bool begins_condition() const {
    const bool is_order =
        is_symbol("=") || is_symbol("!=") || is_symbol("<") || is_symbol("<=") || is_symbol(">") || is_symbol(">=");
    return is_order || is_word("between") || is_word("in") || is_word("matches") || is_word("not");
  }

  Result<void> condition(const Form& form, std::size_t begin, Rule& rule) {
    if (!begins_condition()) {
      if (form.takes == Takes::nothing || form.takes == Takes::numbers_if_any)
        return {};
      return error("dqdl.syntax", at_end() ? begin : peek().offset, std::string(name(form.type)) + " needs a condition",
                   "For instance: " + example(form.takes));
    }
    if (form.takes == Takes::nothing)
      return syntax(std::string(name(form.type)) + " takes no condition", "");
    Condition condition;
    const std::size_t at = peek().offset;
    SHOPLAKE_TRY(operator_of(condition));
    SHOPLAKE_TRY(operands(condition, form.takes));
    const bool is_match = condition.op == Operator::matches || condition.op == Operator::not_matches;
    if (is_match && (form.takes != Takes::values || !std::holds_alternative<std::string>(condition.operands[0])))
      return error("dqdl.syntax", at, "matches compares text with a regular expression in quotes", "");
    if (form.takes == Takes::data_types)
      SHOPLAKE_TRY(check_data_types(condition, at));
    if (form.takes == Takes::values)
      SHOPLAKE_TRY(check_values(condition, at));
    rule.condition = std::move(condition);
    return {};
  }

  static std::string example(Takes takes) {
    switch (takes) {
      case Takes::durations: return "<= 24 hours";
      case Takes::data_types: return "= \"INTEGER\"";
      case Takes::values: return "in [\"a\", \"b\"]";
      default: return "> 0";
    }
  }

  Result<void> check_data_types(const Condition& condition, std::size_t at) {
    if (condition.op != Operator::equal && condition.op != Operator::not_equal && condition.op != Operator::in &&
        condition.op != Operator::not_in)
      return error("dqdl.syntax", at, "ColumnDataType compares with =, !=, in or not in", "");
    for (const Operand& operand : condition.operands) {
      const auto* type = std::get_if<std::string>(&operand);
      if (type == nullptr ||
          std::find(std::begin(kDataTypes), std::end(kDataTypes), upper(*type)) == std::end(kDataTypes))
        return error("dqdl.syntax", at, "ColumnDataType knows the types " + join(kDataTypes), "");
    }
    return {};
  }

  Result<void> check_values(const Condition& condition, std::size_t at) {
    const bool is_order = condition.op >= Operator::less && condition.op <= Operator::not_between;
    for (const Operand& operand : condition.operands) {
      if (is_order && std::holds_alternative<Keyword>(operand))
        return error("dqdl.syntax", at, "NULL, EMPTY and WHITESPACES_ONLY have no order", "Use = or !=, in or not in.");
      const auto* number = std::get_if<NumberExpression>(&operand);
      if (number != nullptr && runs_needed(*number) > 0 && (!is_order || condition.op == Operator::not_between)) {
        return error(
            "dqdl.unsupported", at, "last() in ColumnValues goes with <, <=, >, >= and between only",
            "It stands for the smallest value of the last run after > and >=, for the greatest after < and <=.");
      }
    }
    return {};
  }

  Result<void> operator_of(Condition& condition) {
    static constexpr std::pair<std::string_view, Operator> kSymbols[] = {
        {"=", Operator::equal},       {"!=", Operator::not_equal}, {"<", Operator::less},
        {"<=", Operator::less_equal}, {">", Operator::greater},    {">=", Operator::greater_equal}};
    for (const auto& [symbol, op] : kSymbols) {
      if (is_symbol(symbol)) {
        condition.op = op;
        next();
        return {};
      }
    }
    const bool negated = is_word("not");
    if (negated)
      next();
    if (is_word("between")) {
      condition.op = negated ? Operator::not_between : Operator::between;
    } else if (is_word("in")) {
      condition.op = negated ? Operator::not_in : Operator::in;
    } else if (is_word("matches")) {
      condition.op = negated ? Operator::not_matches : Operator::matches;
    } else {
      return syntax(found() + " where a comparison is expected", "=, !=, <, <=, >, >=, between, in or matches");
    }
    next();
    return {};
  }

  Result<void> operands(Condition& condition, Takes takes) {
    switch (condition.op) {
      case Operator::between:
      case Operator::not_between: {
        condition.operands.push_back(SHOPLAKE_TRY(operand(takes)));
        if (!is_word("and") && !is_word("AND"))
          return syntax(found() + " where the and of between is expected", "");
        next();
        condition.operands.push_back(SHOPLAKE_TRY(operand(takes)));
        return {};
      }
      case Operator::in:
      case Operator::not_in: {
        SHOPLAKE_TRY(expect("["));
        while (!is_symbol("]")) {
          if (condition.operands.size() == kListMax)
            return syntax("the list has more than " + std::to_string(kListMax) + " values", "");
          condition.operands.push_back(SHOPLAKE_TRY(operand(takes)));
          if (!is_symbol(","))
            break;
          next();
        }
        SHOPLAKE_TRY(expect("]"));
        if (condition.operands.empty())
          return syntax("the list is empty", "");
        return {};
      }
      default: condition.operands.push_back(SHOPLAKE_TRY(operand(takes))); return {};
    }
  }

  Result<Operand> operand(Takes takes) {
    switch (takes) {
      case Takes::durations: return Operand(SHOPLAKE_TRY(duration()));
      case Takes::data_types:
        if (peek().kind != Token::Kind::text)
          return syntax(found() + " where a type in quotes is expected", "");
        return Operand(next().value);
      case Takes::values: return value();
      default: return Operand(SHOPLAKE_TRY(number()));
    }
  }

  Result<Operand> value() {
    if (peek().kind == Token::Kind::text)
      return Operand(next().value);
    static constexpr std::pair<std::string_view, Keyword> kKeywords[] = {
        {"NULL", Keyword::null}, {"EMPTY", Keyword::empty}, {"WHITESPACES_ONLY", Keyword::whitespaces_only}};
    for (const auto& [word, keyword] : kKeywords) {
      if (is_word(word)) {
        next();
        return Operand(keyword);
      }
    }
    if (is_word("now"))
      return Operand(SHOPLAKE_TRY(moment()));
    if (is_symbol("(") && is_word("now", 1)) {
      next();
      Moment parsed = SHOPLAKE_TRY(moment());
      SHOPLAKE_TRY(expect(")"));
      return Operand(std::move(parsed));
    }
    return Operand(SHOPLAKE_TRY(number()));
  }

  Result<Moment> moment() {
    next();
    SHOPLAKE_TRY(expect("("));
    SHOPLAKE_TRY(expect(")"));
    if (!is_symbol("+") && !is_symbol("-"))
      return Moment{0, "now()"};
    const std::string sign = next().value;
    const Duration offset = SHOPLAKE_TRY(duration());
    return Moment{sign == "-" ? -offset.micros : offset.micros, "(now() " + sign + " " + offset.text + ")"};
  }

  Result<Duration> duration() {
    if (peek().kind != Token::Kind::number)
      return syntax(found() + " where a time is expected", "A number and its unit: 24 hours");
    const Token& amount = next();
    for (const auto& [unit, micros] : kUnits) {
      if (!is_word(unit))
        continue;
      const double total = literal(amount.value) * static_cast<double>(micros);
      if (total > kDurationMicrosMax)
        return error("dqdl.syntax", amount.offset, "the time is longer than a thousand years", "");
      return Duration{static_cast<std::int64_t>(std::llround(total)), amount.value + " " + next().value};
    }
    return syntax(found() + " where minutes, hours or days is expected", "");
  }

  // ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────

  static double literal(const std::string& text) {
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  static NumberExpression node(NumberKind kind, std::vector<NumberExpression> operands) {
    NumberExpression expression;
    expression.kind = kind;
    expression.operands = std::move(operands);
    return expression;
  }

  // An expression that is one number.
  Result<NumberExpression> number(int depth = 0) {
    NumberExpression left = SHOPLAKE_TRY(product(depth));
    while (is_symbol("+") || is_symbol("-")) {
      const NumberKind kind = next().value == "+" ? NumberKind::add : NumberKind::subtract;
      NumberExpression right = SHOPLAKE_TRY(product(depth));
      left = node(kind, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<NumberExpression> product(int depth) {
    NumberExpression left = SHOPLAKE_TRY(signed_number(depth));
    while (is_symbol("*") || is_symbol("/")) {
      const NumberKind kind = next().value == "*" ? NumberKind::multiply : NumberKind::divide;
      NumberExpression right = SHOPLAKE_TRY(signed_number(depth));
      left = node(kind, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<NumberExpression> signed_number(int depth) {
    if (depth > kDepthMax)
      return syntax("the expression is nested more than " + std::to_string(kDepthMax) + " deep", "");
    if (is_symbol("-") && peek(1).kind == Token::Kind::number) {
      next();
      NumberExpression expression;
      expression.text = "-" + peek().value;
      expression.number = -literal(next().value);
      return expression;
    }
    if (is_symbol("-")) {
      next();
      return node(NumberKind::negate, {SHOPLAKE_TRY(signed_number(depth + 1))});
    }
    const std::size_t begin = peek().offset;
    NumberExpression expression = SHOPLAKE_TRY(primary(depth));
    if (expression.kind == NumberKind::last && expression.runs != 1) {
      return error("dqdl.syntax", begin, to_string(expression) + " is a list of values where one number is expected",
                   "Take one of it: avg(" + to_string(expression) + "); also min, max, median, sum, std, index.");
    }
    return expression;
  }

  Result<NumberExpression> primary(int depth) {
    if (is_symbol("(")) {
      next();
      NumberExpression inner = SHOPLAKE_TRY(number(depth + 1));
      SHOPLAKE_TRY(expect(")"));
      return inner;
    }
    if (peek().kind == Token::Kind::word)
      return function(depth);
    if (peek().kind != Token::Kind::number) {
      return syntax(found() + " where a number is expected",
                    peek().kind == Token::Kind::text ? "Numbers stand without quotes." : "");
    }
    NumberExpression expression;
    expression.text = next().value;
    expression.number = literal(expression.text);
    return expression;
  }

  Result<NumberExpression> function(int depth) {
    const Token& word = next();
    const auto* known = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                     [&](const auto& function) { return function.first == word.value; });
    if (known == std::end(kFunctions)) {
      const bool is_dqdl = word.value == "percentile" || word.value == "exp" || word.value == "round";
      return error(is_dqdl ? "dqdl.unsupported" : "dqdl.syntax", word.offset,
                   "there is no function or number " + word.value,
                   "Functions: last, avg, min, max, median, sum, std, index, abs.");
    }
    const NumberKind kind = known->second;
    SHOPLAKE_TRY(expect("("));
    NumberExpression expression = node(kind, {});
    if (kind == NumberKind::last) {
      expression.runs = is_symbol(")") ? 1 : SHOPLAKE_TRY(whole_number(1, kLastRunsMax));
    } else if (kind == NumberKind::absolute) {
      expression.operands.push_back(SHOPLAKE_TRY(number(depth + 1)));
    } else {
      const std::size_t begin = peek().offset;
      if (!is_word("last"))
        return error("dqdl.syntax", begin, word.value + "() takes the values of the last runs",
                     word.value + "(last(10))");
      expression.operands.push_back(SHOPLAKE_TRY(function(depth + 1)));
      if (kind == NumberKind::index) {
        SHOPLAKE_TRY(expect(","));
        NumberExpression at;
        at.text = peek().value;
        at.number = static_cast<double>(SHOPLAKE_TRY(whole_number(0, kLastRunsMax - 1)));
        expression.operands.push_back(std::move(at));
      }
    }
    SHOPLAKE_TRY(expect(")"));
    return expression;
  }

  Result<std::int64_t> whole_number(std::int64_t least, std::int64_t most) {
    std::int64_t number = 0;
    const std::string& text = peek().value;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (peek().kind != Token::Kind::number || code != std::errc() || end != text.data() + text.size() ||
        number < least || number > most) {
      return syntax(found() + " where a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                        " is expected",
                    "");
    }
    next();
    return number;
  }

  std::string_view text_;
  const Origin& origin_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace

std::string place_of(std::string_view text, std::size_t offset, const Origin& origin) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto lines = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_begin = lines == 0 ? 0 : before.rfind('\n') + 1;
  const int column = static_cast<int>(before.size() - line_begin) + (lines == 0 ? origin.column : origin.indent + 1);
  const int line = origin.line + lines;
  if (origin.path.empty())
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
  return std::string(origin.path) + ":" + std::to_string(line) + ":" + std::to_string(column);
}

bool takes_where(RuleType type) {
  return std::any_of(std::begin(kForms), std::end(kForms),
                     [&](const Form& form) { return form.type == type && form.where; });
}

Result<Rule> parse_rule(std::string_view text, const Origin& origin) { return Parser(text, origin).rule(); }

Result<std::vector<Rule>> parse_rules(std::string_view text, const Origin& origin) {
  return Parser(text, origin).document();
}

}  // namespace shoplake::dqdl
