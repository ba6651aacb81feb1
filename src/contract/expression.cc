#include "contract/expression.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/moment.h"
#include "contract/expression_functions.h"
#include "contract/expression_lexer.h"
#include "contract/expression_types.h"

namespace shoplake::contract {

namespace {

constexpr std::string_view kReserved[] = {"and",  "or",   "not",  "is",  "in",   "between", "case",
                                          "when", "then", "else", "end", "null", "true",    "false"};

class Parser {
 public:
  Parser(std::string_view text, const FindExpressionField& find) : lexer_(text), find_(find) {}

  Result<Expression> parse() {
    SHOPLAKE_TRY(lexer_.advance());
    Expression expression = SHOPLAKE_TRY(disjunction());
    if (lexer_.token().kind != Token::Kind::end)
      return lexer_.unexpected("the end or an operator");
    if (is_untyped(expression))
      return expression_error(0, "its type is not known: it is always NULL");
    return expression;
  }

 private:
  struct Deeper {
    explicit Deeper(int& given) : depth(given) { ++depth; }
    ~Deeper() { --depth; }
    int& depth;
  };

  Result<Expression> disjunction() {
    const Deeper deeper(depth_);
    if (depth_ > kExpressionDepthMax)
      return expression_error(lexer_.token().at, fmt::format("it nests deeper than {} levels", kExpressionDepthMax));
    Expression left = SHOPLAKE_TRY(conjunction());
    while (lexer_.at_word("or")) {
      const std::size_t at = lexer_.token().at;
      SHOPLAKE_TRY(lexer_.advance());
      Expression right = SHOPLAKE_TRY(conjunction());
      SHOPLAKE_TRY(want(left, Type::boolean, at, "or"));
      SHOPLAKE_TRY(want(right, Type::boolean, at, "or"));
      left = node(Operation::logical_or, Type::boolean, pair(std::move(left), std::move(right)));
      SHOPLAKE_TRY(longer(at));
    }
    return left;
  }

  Result<Expression> conjunction() {
    Expression left = SHOPLAKE_TRY(negation());
    while (lexer_.at_word("and")) {
      const std::size_t at = lexer_.token().at;
      SHOPLAKE_TRY(lexer_.advance());
      Expression right = SHOPLAKE_TRY(negation());
      SHOPLAKE_TRY(want(left, Type::boolean, at, "and"));
      SHOPLAKE_TRY(want(right, Type::boolean, at, "and"));
      left = node(Operation::logical_and, Type::boolean, pair(std::move(left), std::move(right)));
      SHOPLAKE_TRY(longer(at));
    }
    return left;
  }

  Result<Expression> negation() {
    if (!lexer_.at_word("not"))
      return comparison();
    const std::size_t at = lexer_.token().at;
    const Deeper deeper(depth_);
    SHOPLAKE_TRY(longer(at));
    SHOPLAKE_TRY(lexer_.advance());
    Expression operand = SHOPLAKE_TRY(negation());
    SHOPLAKE_TRY(want(operand, Type::boolean, at, "not"));
    return node(Operation::logical_not, Type::boolean, one(std::move(operand)));
  }

  Result<Expression> comparison() {
    Expression left = SHOPLAKE_TRY(concatenation());
    const std::size_t at = lexer_.token().at;
    constexpr std::pair<std::string_view, Operation> kComparisons[] = {
        {"=", Operation::equal},          {"<>", Operation::not_equal}, {"<", Operation::less},
        {"<=", Operation::less_or_equal}, {">", Operation::greater},    {">=", Operation::greater_or_equal}};
    for (const auto& [symbol, operation] : kComparisons) {
      if (SHOPLAKE_TRY(lexer_.take_symbol(symbol)))
        return compared(operation, std::move(left), SHOPLAKE_TRY(concatenation()), at, symbol);
    }
    if (SHOPLAKE_TRY(lexer_.take_word("is"))) {
      const bool negated = SHOPLAKE_TRY(lexer_.take_word("not"));
      SHOPLAKE_TRY(lexer_.expect_word("null"));
      if (is_untyped(left))
        left.type = Type::text;
      Expression test = node(Operation::is_null, Type::boolean, one(std::move(left)));
      return negated ? node(Operation::logical_not, Type::boolean, one(std::move(test))) : std::move(test);
    }
    const bool negated = SHOPLAKE_TRY(lexer_.take_word("not"));
    std::optional<Expression> test;
    if (SHOPLAKE_TRY(lexer_.take_word("in"))) {
      SHOPLAKE_TRY(lexer_.expect_symbol("("));
      do {
        Expression equal = SHOPLAKE_TRY(compared(Operation::equal, left, SHOPLAKE_TRY(concatenation()), at, "in"));
        test = test ? node(Operation::logical_or, Type::boolean, pair(std::move(*test), std::move(equal)))
                    : std::move(equal);
      } while (SHOPLAKE_TRY(lexer_.take_symbol(",")));
      SHOPLAKE_TRY(lexer_.expect_symbol(")"));
    } else if (SHOPLAKE_TRY(lexer_.take_word("between"))) {
      Expression low =
          SHOPLAKE_TRY(compared(Operation::greater_or_equal, left, SHOPLAKE_TRY(concatenation()), at, "between"));
      SHOPLAKE_TRY(lexer_.expect_word("and"));
      Expression high = SHOPLAKE_TRY(
          compared(Operation::less_or_equal, std::move(left), SHOPLAKE_TRY(concatenation()), at, "between"));
      test = node(Operation::logical_and, Type::boolean, pair(std::move(low), std::move(high)));
    } else if (negated) {
      return lexer_.unexpected("in or between");
    } else {
      return left;
    }
    return negated ? node(Operation::logical_not, Type::boolean, one(std::move(*test))) : std::move(*test);
  }

  Result<Expression> concatenation() {
    Expression left = SHOPLAKE_TRY(sum());
    while (lexer_.at_symbol("||")) {
      const std::size_t at = lexer_.token().at;
      SHOPLAKE_TRY(lexer_.advance());
      Expression right = SHOPLAKE_TRY(sum());
      SHOPLAKE_TRY(want(left, Type::text, at, "||"));
      SHOPLAKE_TRY(want(right, Type::text, at, "||"));
      if (left.operation == Operation::concatenate) {
        left.operands.push_back(std::move(right));
      } else {
        left = node(Operation::concatenate, Type::text, pair(std::move(left), std::move(right)));
      }
    }
    return left;
  }

  Result<Expression> sum() {
    Expression left = SHOPLAKE_TRY(product());
    while (lexer_.at_symbol("+") || lexer_.at_symbol("-")) {
      const Token sign = lexer_.token();
      SHOPLAKE_TRY(lexer_.advance());
      left = SHOPLAKE_TRY(calculated(sign.text == "+" ? Operation::add : Operation::subtract, std::move(left),
                                     SHOPLAKE_TRY(product()), sign));
    }
    return left;
  }

  Result<Expression> product() {
    Expression left = SHOPLAKE_TRY(signed_value());
    while (lexer_.at_symbol("*") || lexer_.at_symbol("/") || lexer_.at_symbol("%")) {
      const Token sign = lexer_.token();
      SHOPLAKE_TRY(lexer_.advance());
      const Operation operation = sign.text == "*"   ? Operation::multiply
                                  : sign.text == "/" ? Operation::divide
                                                     : Operation::modulo;
      left = SHOPLAKE_TRY(calculated(operation, std::move(left), SHOPLAKE_TRY(signed_value()), sign));
    }
    return left;
  }

  Result<Expression> signed_value() {
    const std::size_t at = lexer_.token().at;
    if (!lexer_.at_symbol("-") && !lexer_.at_symbol("+"))
      return value();
    const bool minus = lexer_.at_symbol("-");
    const Deeper deeper(depth_);
    SHOPLAKE_TRY(longer(at));
    SHOPLAKE_TRY(lexer_.advance());
    Expression operand = SHOPLAKE_TRY(signed_value());
    if (is_untyped(operand) || !is_numeric(operand.type))
      return expression_error(at, "a sign needs a number");
    if (!minus)
      return operand;
    if (operand.operation == Operation::literal && operand.type == Type::real && !operand.is_null) {
      operand.real = -operand.real;
      operand.text = operand.text.starts_with('-') ? operand.text.substr(1) : "-" + operand.text;
      return operand;
    }
    const Type type = operand.type;
    return node_of(Operation::negate, type, one(std::move(operand)));
  }

  Result<Expression> value() {
    const Token begin = lexer_.token();
    if (lexer_.at_symbol("(")) {
      SHOPLAKE_TRY(lexer_.advance());
      Expression inner = SHOPLAKE_TRY(disjunction());
      SHOPLAKE_TRY(lexer_.expect_symbol(")"));
      return inner;
    }
    if (begin.kind == Token::Kind::text) {
      Expression literal;
      literal.text = begin.text;
      SHOPLAKE_TRY(lexer_.advance());
      return literal;
    }
    if (begin.kind == Token::Kind::number)
      return number();
    if (begin.kind != Token::Kind::name)
      return lexer_.unexpected("a value");
    if (!begin.quoted) {
      const std::string word = lower_case(begin.text);
      if (word == "case")
        return case_of();
      if (word == "null" || word == "true" || word == "false") {
        SHOPLAKE_TRY(lexer_.advance());
        if (word == "null")
          return null_literal();
        Expression literal;
        literal.type = Type::boolean;
        literal.integer = word == "true";
        return literal;
      }
      if (std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved))
        return lexer_.unexpected("a value");
    }
    SHOPLAKE_TRY(lexer_.advance());
    if (!begin.quoted && lexer_.at_symbol("("))
      return call(begin);
    // date '2026-11-21', timestamp '2026-11-21T10:00:00Z'
    if (!begin.quoted && lexer_.token().kind == Token::Kind::text) {
      const std::string word = lower_case(begin.text);
      if (word == "date" || word == "timestamp")
        return moment(word == "date", begin);
    }
    auto found = find_(begin.text);
    if (!found.ok())
      return expression_error(begin.at, found.error().message);
    if (!*found)
      return expression_error(begin.at, fmt::format("there is no field {}", begin.text));
    Expression reference;
    reference.operation = Operation::field;
    reference.field = (*found)->number;
    reference.type = (*found)->type;
    reference.decimal = (*found)->decimal;
    return reference;
  }

  Result<Expression> moment(bool is_date, const Token& begin) {
    Expression literal;
    literal.type = is_date ? Type::date : Type::timestamp;
    const auto parsed = is_date ? base::parse_date(lexer_.token().text) : base::parse_timestamp(lexer_.token().text);
    if (!parsed)
      return expression_error(begin.at, fmt::format("\"{}\" is not a {}", lexer_.token().text, name(literal.type)));
    literal.integer = *parsed;
    SHOPLAKE_TRY(lexer_.advance());
    return literal;
  }

  Result<Expression> number() {
    Expression literal;
    const std::string& text = lexer_.token().text;
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string::npos) {
      literal.type = Type::integer;
      const auto parsed = std::from_chars(text.data(), end, literal.integer);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return expression_error(lexer_.token().at, fmt::format("\"{}\" is not a number of at most 64 bits", text));
    } else {
      literal.type = Type::real;
      literal.text = text;
      const auto parsed = std::from_chars(text.data(), end, literal.real);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return expression_error(lexer_.token().at, fmt::format("\"{}\" is not a number", text));
    }
    SHOPLAKE_TRY(lexer_.advance());
    return literal;
  }

  Result<Expression> case_of() {
    const std::size_t at = lexer_.token().at;
    SHOPLAKE_TRY(lexer_.advance());
    std::optional<Expression> subject;
    if (!lexer_.at_word("when"))
      subject = SHOPLAKE_TRY(disjunction());
    std::vector<Expression> branches;
    while (SHOPLAKE_TRY(lexer_.take_word("when"))) {
      Expression condition = SHOPLAKE_TRY(disjunction());
      if (subject)
        condition = SHOPLAKE_TRY(compared(Operation::equal, *subject, std::move(condition), at, "case"));
      SHOPLAKE_TRY(want(condition, Type::boolean, at, "when"));
      SHOPLAKE_TRY(lexer_.expect_word("then"));
      branches.push_back(std::move(condition));
      branches.push_back(SHOPLAKE_TRY(disjunction()));
      SHOPLAKE_TRY(longer(at));
    }
    if (branches.empty())
      return lexer_.unexpected("when");
    branches.push_back(SHOPLAKE_TRY(lexer_.take_word("else")) ? SHOPLAKE_TRY(disjunction()) : null_literal());
    SHOPLAKE_TRY(lexer_.expect_word("end"));
    return choose(std::move(branches), at, "case");
  }

  Result<Expression> call(const Token& begin) {
    const ExpressionFunction function = SHOPLAKE_TRY(find_function(begin.text, begin.at));
    SHOPLAKE_TRY(lexer_.advance());
    std::vector<Expression> arguments;
    if (!lexer_.at_symbol(")")) {
      do {
        arguments.push_back(SHOPLAKE_TRY(disjunction()));
        SHOPLAKE_TRY(longer(begin.at));
      } while (SHOPLAKE_TRY(lexer_.take_symbol(",")));
    }
    SHOPLAKE_TRY(lexer_.expect_symbol(")"));
    Expression result = SHOPLAKE_TRY(call_function(function, std::move(arguments), begin.at));
    if (function.operation == Operation::equal)
      SHOPLAKE_TRY(longer(begin.at));  // it holds a comparison
    return result;
  }

  Result<Expression> compared(Operation operation, Expression left, Expression right, std::size_t at,
                              std::string_view what) {
    Expression test = SHOPLAKE_TRY(compare(operation, std::move(left), std::move(right), at, what));
    SHOPLAKE_TRY(longer(at));
    return test;
  }
  Result<Expression> calculated(Operation operation, Expression left, Expression right, const Token& sign) {
    SHOPLAKE_TRY(longer(sign.at));
    return arithmetic(operation, std::move(left), std::move(right), sign.at, sign.text);
  }

  // Chains count, too: evaluating recurses over the left operands.
  Result<void> longer(std::size_t at) {
    if (++nodes_ > kNodesMax)
      return expression_error(at, fmt::format("it has more than {} operations", kNodesMax));
    if (depth_ > kExpressionDepthMax)
      return expression_error(at, fmt::format("it nests deeper than {} levels", kExpressionDepthMax));
    return {};
  }

  static constexpr int kNodesMax = 1'000;

  ExpressionLexer lexer_;
  const FindExpressionField& find_;
  int depth_ = 0;
  int nodes_ = 0;
};

}  // namespace

Result<Expression> parse_expression(std::string_view text, const FindExpressionField& find) {
  return Parser(text, find).parse();
}

}  // namespace shoplake::contract
