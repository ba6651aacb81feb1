#include "contract/expression.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/moment.h"
#include "contract/decimal.h"

namespace shoplake::contract {

namespace {

using base::ErrorKind;
using base::make_error;
using Operation = Expression::Operation;

struct Token {
  enum class Kind { end, name, number, text, symbol };
  Kind kind = Kind::end;
  std::string text;  // names lower-cased, except quoted ones; texts without their quotes
  std::size_t at = 0;
  bool quoted = false;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

bool is_numeric(Type type) { return type == Type::integer || type == Type::real || type == Type::decimal; }
// A long becomes a decimal beside one, both become doubles beside one.
int numeric_rank(Type type) { return type == Type::integer ? 0 : type == Type::decimal ? 1 : 2; }

struct Function {
  std::string_view name;
  Operation operation;
};
constexpr Function kFunctions[] = {
    {"abs", Operation::absolute},
    {"ceil", Operation::ceiling},
    {"coalesce", Operation::coalesce},
    {"concat", Operation::concatenate},
    {"contains", Operation::contains},
    {"date", Operation::date},
    {"day", Operation::day},
    {"day_of_week", Operation::day_of_week},
    {"ends_with", Operation::ends_with},
    {"floor", Operation::floor},
    {"hour", Operation::hour},
    {"if", Operation::choose},
    {"length", Operation::length},
    {"lower", Operation::lower},
    {"minute", Operation::minute},
    {"month", Operation::month},
    {"nullif", Operation::equal},
    {"replace", Operation::replace},
    {"round", Operation::round},
    {"starts_with", Operation::starts_with},
    {"substring", Operation::substring},
    {"trim", Operation::trim},
    {"upper", Operation::upper},
    {"year", Operation::year},
};
constexpr std::string_view kReserved[] = {"and",  "or",   "not",  "is",  "in",   "between", "case",
                                          "when", "then", "else", "end", "null", "true",    "false"};

class Parser {
 public:
  Parser(std::string_view text, const FindExpressionField& find) : text_(text), find_(find) {}

  Result<Expression> parse() {
    SHOPLAKE_TRY(advance());
    Expression expression = SHOPLAKE_TRY(disjunction());
    if (token_.kind != Token::Kind::end)
      return unexpected("the end or an operator");
    if (is_untyped(expression))
      return wrong(0, "its type is not known: it is always NULL");
    return expression;
  }

 private:
  struct Deeper {
    explicit Deeper(int& given) : depth(given) { ++depth; }
    ~Deeper() { --depth; }
    int& depth;
  };

  static base::Error wrong(std::size_t at, std::string_view what) {
    return make_error(ErrorKind::usage, "contract.expression", fmt::format("at column {}: {}", at + 1, what),
                      "docs/formats/contract.md describes the expressions of computed fields.");
  }
  base::Error unexpected(std::string_view expected) const {
    return wrong(token_.at, token_.kind == Token::Kind::end
                                ? fmt::format("it ends where {} is expected", expected)
                                : fmt::format("\"{}\" stands where {} is expected", token_.text, expected));
  }

  Result<void> advance() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
    token_ = Token();
    token_.at = at_;
    if (at_ == text_.size())
      return {};
    const char first = text_[at_];
    if (is_letter(first)) {
      token_.kind = Token::Kind::name;
      const std::size_t begin = at_;
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_])))
        ++at_;
      token_.text = std::string(text_.substr(begin, at_ - begin));
      return {};
    }
    if (is_digit(first) || (first == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
      token_.kind = Token::Kind::number;
      const std::size_t begin = at_;
      while (at_ < text_.size() &&
             (is_digit(text_[at_]) || is_letter(text_[at_]) || text_[at_] == '.' ||
              ((text_[at_] == '+' || text_[at_] == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E'))))
        ++at_;
      token_.text = std::string(text_.substr(begin, at_ - begin));
      return {};
    }
    if (first == '\'' || first == '"') {
      token_.kind = first == '"' ? Token::Kind::name : Token::Kind::text;
      token_.quoted = true;
      ++at_;
      while (true) {
        if (at_ == text_.size())
          return wrong(token_.at, first == '"' ? "a quoted name is not closed" : "a text is not closed");
        if (text_[at_] == first) {
          if (at_ + 1 == text_.size() || text_[at_ + 1] != first)
            break;
          ++at_;  // a doubled quote is one
        }
        token_.text.push_back(text_[at_++]);
      }
      ++at_;
      return {};
    }
    token_.kind = Token::Kind::symbol;
    for (std::string_view symbol : {"<>", "!=", "<=", ">=", "||"}) {
      if (text_.substr(at_, 2) == symbol) {
        token_.text = symbol == "!=" ? "<>" : std::string(symbol);
        at_ += 2;
        return {};
      }
    }
    if (std::string_view("+-*/%()=<>,").find(first) == std::string_view::npos)
      return wrong(at_, fmt::format("the character \"{}\" is not known here", first));
    token_.text = std::string(1, first);
    ++at_;
    return {};
  }

  bool at_symbol(std::string_view symbol) const { return token_.kind == Token::Kind::symbol && token_.text == symbol; }
  bool at_word(std::string_view word) const {
    return token_.kind == Token::Kind::name && !token_.quoted && lower_case(token_.text) == word;
  }
  Result<bool> take_symbol(std::string_view symbol) {
    if (!at_symbol(symbol))
      return false;
    SHOPLAKE_TRY(advance());
    return true;
  }
  Result<bool> take_word(std::string_view word) {
    if (!at_word(word))
      return false;
    SHOPLAKE_TRY(advance());
    return true;
  }
  Result<void> expect_symbol(std::string_view symbol) {
    return SHOPLAKE_TRY(take_symbol(symbol)) ? Result<void>() : unexpected(symbol);
  }
  Result<void> expect_word(std::string_view word) {
    return SHOPLAKE_TRY(take_word(word)) ? Result<void>() : unexpected(word);
  }

  // The literal NULL takes the type of what it stands beside; until then it has one that no value has.
  static constexpr Type kUntyped = Type::structure;
  static bool is_untyped(const Expression& e) { return e.type == kUntyped; }
  static Expression null_literal() {
    Expression e;
    e.is_null = true;
    e.type = kUntyped;
    return e;
  }

  static Expression node(Operation operation, Type type, std::vector<Expression> operands) {
    Expression e;
    e.operation = operation;
    e.type = type;
    e.operands = std::move(operands);
    return e;
  }

  // Makes the operands of one type, which it returns; `where` is for the message.
  Result<Type> unify(std::vector<Expression*> operands, std::size_t at, std::string_view where) const {
    std::optional<Type> type;
    for (const Expression* operand : operands) {
      if (is_untyped(*operand))
        continue;
      if (!type) {
        type = operand->type;
      } else if (is_numeric(*type) && is_numeric(operand->type)) {
        if (numeric_rank(operand->type) > numeric_rank(*type))
          type = operand->type;
      } else if (*type != operand->type) {
        return wrong(at, fmt::format("{} has values of the types {} and {}", where, name(*type), name(operand->type)));
      }
    }
    if (!type)
      return wrong(at, fmt::format("the type of {} is not known: all its values are NULL", where));
    if (*type == Type::real)
      type = exact_type(operands);
    DecimalShape shape;
    if (*type == Type::decimal)
      shape = common_shape(operands);
    for (Expression* operand : operands) {
      if (is_untyped(*operand)) {
        operand->type = *type;
        operand->decimal = shape;
      } else if (*type == Type::real && operand->type != Type::real) {
        *operand = to_real(std::move(*operand));
      } else if (*type == Type::decimal && operand->decimal != shape) {
        *operand = to_decimal(std::move(*operand), shape);
      }
    }
    return *type;
  }

  // Literals with a point are doubles, but beside decimals they are exact, too.
  static Type exact_type(const std::vector<Expression*>& operands) {
    bool has_decimal = false;
    for (const Expression* operand : operands) {
      has_decimal |= operand->type == Type::decimal;
      if (operand->type == Type::real && !is_exact_literal(*operand))
        return Type::real;
    }
    if (!has_decimal)
      return Type::real;
    for (Expression* operand : operands) {
      if (operand->type == Type::real)
        make_exact(*operand);
    }
    return Type::decimal;
  }
  // A literal as "12.50".
  static bool is_exact_literal(const Expression& e) {
    const std::size_t point = e.text.find('.');
    return e.operation == Operation::literal && !e.is_null && e.type == Type::real &&
           e.text.find_first_of("eE") == std::string::npos && e.text.size() <= kDecimalDigitsMax &&
           point != std::string::npos;
  }
  static void make_exact(Expression& e) {
    const auto scale = static_cast<std::uint8_t>(e.text.size() - e.text.find('.') - 1);
    e.type = Type::decimal;
    e.decimal = {kDecimalDigitsMax, scale};
    e.integer = parse_decimal(e.text, e.decimal).value_or(0);
  }
  static DecimalShape common_shape(const std::vector<Expression*>& operands) {
    std::optional<DecimalShape> shape;
    for (const Expression* operand : operands) {
      if (is_untyped(*operand))
        continue;
      const DecimalShape own = operand->type == Type::decimal ? operand->decimal : DecimalShape{kDecimalDigitsMax, 0};
      if (!shape) {
        shape = own;
      } else if (*shape != own) {
        shape = DecimalShape{kDecimalDigitsMax, std::max(shape->scale, own.scale)};
      }
    }
    return *shape;
  }

  static Expression to_real(Expression operand) {
    if (operand.operation == Operation::literal && !operand.is_null && operand.type == Type::integer) {
      operand.real = static_cast<double>(operand.integer);
      operand.type = Type::real;
      return operand;
    }
    return node(Operation::to_real, Type::real, one(std::move(operand)));
  }
  static Expression to_decimal(Expression operand, DecimalShape shape) {
    Expression cast = node(Operation::to_decimal, Type::decimal, one(std::move(operand)));
    cast.decimal = shape;
    return cast;
  }
  // The same operation on operands of one type.
  static Expression node_of(Operation operation, Type type, std::vector<Expression> operands) {
    const DecimalShape shape = operands.back().decimal;
    Expression e = node(operation, type, std::move(operands));
    if (type == Type::decimal)
      e.decimal = shape;
    return e;
  }

  Result<void> want(Expression& operand, Type type, std::size_t at, std::string_view what) const {
    if (is_untyped(operand))
      operand.type = type;
    if (operand.type != type)
      return wrong(at, fmt::format("{} needs a {}, this is a {}", what, name(type), name(operand.type)));
    return {};
  }

  Result<Expression> disjunction() {
    const Deeper deeper(depth_);
    if (depth_ > kExpressionDepthMax)
      return wrong(token_.at, fmt::format("it nests deeper than {} levels", kExpressionDepthMax));
    Expression left = SHOPLAKE_TRY(conjunction());
    while (at_word("or")) {
      const std::size_t at = token_.at;
      SHOPLAKE_TRY(advance());
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
    while (at_word("and")) {
      const std::size_t at = token_.at;
      SHOPLAKE_TRY(advance());
      Expression right = SHOPLAKE_TRY(negation());
      SHOPLAKE_TRY(want(left, Type::boolean, at, "and"));
      SHOPLAKE_TRY(want(right, Type::boolean, at, "and"));
      left = node(Operation::logical_and, Type::boolean, pair(std::move(left), std::move(right)));
      SHOPLAKE_TRY(longer(at));
    }
    return left;
  }

  Result<Expression> negation() {
    if (!at_word("not"))
      return comparison();
    const std::size_t at = token_.at;
    const Deeper deeper(depth_);
    SHOPLAKE_TRY(longer(at));
    SHOPLAKE_TRY(advance());
    Expression operand = SHOPLAKE_TRY(negation());
    SHOPLAKE_TRY(want(operand, Type::boolean, at, "not"));
    return node(Operation::logical_not, Type::boolean, one(std::move(operand)));
  }

  Result<Expression> compare(Operation operation, Expression left, Expression right, std::size_t at,
                             std::string_view what) {
    const Type type = SHOPLAKE_TRY(unify({&left, &right}, at, what));
    if (type == Type::boolean && operation != Operation::equal && operation != Operation::not_equal)
      return wrong(at, fmt::format("{} does not compare booleans", what));
    SHOPLAKE_TRY(longer(at));
    return node(operation, Type::boolean, pair(std::move(left), std::move(right)));
  }

  Result<Expression> comparison() {
    Expression left = SHOPLAKE_TRY(concatenation());
    const std::size_t at = token_.at;
    constexpr std::pair<std::string_view, Operation> kComparisons[] = {
        {"=", Operation::equal},          {"<>", Operation::not_equal}, {"<", Operation::less},
        {"<=", Operation::less_or_equal}, {">", Operation::greater},    {">=", Operation::greater_or_equal}};
    for (const auto& [symbol, operation] : kComparisons) {
      if (SHOPLAKE_TRY(take_symbol(symbol)))
        return compare(operation, std::move(left), SHOPLAKE_TRY(concatenation()), at, symbol);
    }
    if (SHOPLAKE_TRY(take_word("is"))) {
      const bool negated = SHOPLAKE_TRY(take_word("not"));
      SHOPLAKE_TRY(expect_word("null"));
      if (is_untyped(left))
        left.type = Type::text;
      Expression test = node(Operation::is_null, Type::boolean, one(std::move(left)));
      return negated ? node(Operation::logical_not, Type::boolean, one(std::move(test))) : std::move(test);
    }
    const bool negated = SHOPLAKE_TRY(take_word("not"));
    std::optional<Expression> test;
    if (SHOPLAKE_TRY(take_word("in"))) {
      SHOPLAKE_TRY(expect_symbol("("));
      do {
        Expression equal = SHOPLAKE_TRY(compare(Operation::equal, left, SHOPLAKE_TRY(concatenation()), at, "in"));
        test = test ? node(Operation::logical_or, Type::boolean, pair(std::move(*test), std::move(equal)))
                    : std::move(equal);
      } while (SHOPLAKE_TRY(take_symbol(",")));
      SHOPLAKE_TRY(expect_symbol(")"));
    } else if (SHOPLAKE_TRY(take_word("between"))) {
      Expression low =
          SHOPLAKE_TRY(compare(Operation::greater_or_equal, left, SHOPLAKE_TRY(concatenation()), at, "between"));
      SHOPLAKE_TRY(expect_word("and"));
      Expression high = SHOPLAKE_TRY(
          compare(Operation::less_or_equal, std::move(left), SHOPLAKE_TRY(concatenation()), at, "between"));
      test = node(Operation::logical_and, Type::boolean, pair(std::move(low), std::move(high)));
    } else if (negated) {
      return unexpected("in or between");
    } else {
      return left;
    }
    return negated ? node(Operation::logical_not, Type::boolean, one(std::move(*test))) : std::move(*test);
  }

  Result<Expression> concatenation() {
    Expression left = SHOPLAKE_TRY(sum());
    while (at_symbol("||")) {
      const std::size_t at = token_.at;
      SHOPLAKE_TRY(advance());
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

  Result<Expression> arithmetic(Operation operation, Expression left, Expression right, std::size_t at,
                                std::string_view symbol) {
    SHOPLAKE_TRY(longer(at));
    if (operation == Operation::multiply && !is_untyped(left) && !is_untyped(right) &&
        exact_type({&left, &right}) == Type::decimal)
      return exact_product(std::move(left), std::move(right), at);
    const Type type = SHOPLAKE_TRY(unify({&left, &right}, at, symbol));
    if (!is_numeric(type))
      return wrong(at, fmt::format("{} needs numbers, these are of type {}", symbol, name(type)));
    if (operation == Operation::modulo && type != Type::integer)
      return wrong(at, "% needs longs");
    if (operation == Operation::divide && type != Type::real)
      return node(operation, Type::real, pair(to_real(std::move(left)), to_real(std::move(right))));
    Expression result = node_of(operation, type, pair(std::move(left), std::move(right)));
    if (type == Type::decimal)
      result.decimal.precision = kDecimalDigitsMax;
    return result;
  }

  // Of a decimal and a decimal or long: as many digits behind the point as both have together.
  Result<Expression> exact_product(Expression left, Expression right, std::size_t at) {
    const int scale = left.decimal.scale + right.decimal.scale;
    if (scale > kDecimalDigitsMax)
      return wrong(at,
                   fmt::format("the product has {} digits behind the point, more than {}", scale, kDecimalDigitsMax));
    Expression product = node(Operation::multiply, Type::decimal, pair(std::move(left), std::move(right)));
    product.decimal = {kDecimalDigitsMax, static_cast<std::uint8_t>(scale)};
    return product;
  }

  Result<Expression> sum() {
    Expression left = SHOPLAKE_TRY(product());
    while (at_symbol("+") || at_symbol("-")) {
      const Token sign = token_;
      SHOPLAKE_TRY(advance());
      left = SHOPLAKE_TRY(arithmetic(sign.text == "+" ? Operation::add : Operation::subtract, std::move(left),
                                     SHOPLAKE_TRY(product()), sign.at, sign.text));
    }
    return left;
  }

  Result<Expression> product() {
    Expression left = SHOPLAKE_TRY(signed_value());
    while (at_symbol("*") || at_symbol("/") || at_symbol("%")) {
      const Token sign = token_;
      SHOPLAKE_TRY(advance());
      const Operation operation = sign.text == "*"   ? Operation::multiply
                                  : sign.text == "/" ? Operation::divide
                                                     : Operation::modulo;
      left = SHOPLAKE_TRY(arithmetic(operation, std::move(left), SHOPLAKE_TRY(signed_value()), sign.at, sign.text));
    }
    return left;
  }

  Result<Expression> signed_value() {
    const std::size_t at = token_.at;
    if (!at_symbol("-") && !at_symbol("+"))
      return value();
    const bool minus = at_symbol("-");
    const Deeper deeper(depth_);
    SHOPLAKE_TRY(longer(at));
    SHOPLAKE_TRY(advance());
    Expression operand = SHOPLAKE_TRY(signed_value());
    if (is_untyped(operand) || !is_numeric(operand.type))
      return wrong(at, "a sign needs a number");
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
    const Token begin = token_;
    if (at_symbol("(")) {
      SHOPLAKE_TRY(advance());
      Expression inner = SHOPLAKE_TRY(disjunction());
      SHOPLAKE_TRY(expect_symbol(")"));
      return inner;
    }
    if (begin.kind == Token::Kind::text) {
      Expression literal;
      literal.text = begin.text;
      SHOPLAKE_TRY(advance());
      return literal;
    }
    if (begin.kind == Token::Kind::number)
      return number();
    if (begin.kind != Token::Kind::name)
      return unexpected("a value");
    if (!begin.quoted) {
      const std::string word = lower_case(begin.text);
      if (word == "case")
        return case_of();
      if (word == "null" || word == "true" || word == "false") {
        SHOPLAKE_TRY(advance());
        if (word == "null")
          return null_literal();
        Expression literal;
        literal.type = Type::boolean;
        literal.integer = word == "true";
        return literal;
      }
      if (std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved))
        return unexpected("a value");
    }
    SHOPLAKE_TRY(advance());
    if (!begin.quoted && at_symbol("("))
      return call(begin);
    // date '2026-11-21', timestamp '2026-11-21T10:00:00Z'
    if (!begin.quoted && token_.kind == Token::Kind::text) {
      const std::string word = lower_case(begin.text);
      if (word == "date" || word == "timestamp")
        return moment(word == "date", begin);
    }
    auto found = find_(begin.text);
    if (!found.ok())
      return wrong(begin.at, found.error().message);
    if (!*found)
      return wrong(begin.at, fmt::format("there is no field {}", begin.text));
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
    const auto parsed = is_date ? base::parse_date(token_.text) : base::parse_timestamp(token_.text);
    if (!parsed)
      return wrong(begin.at, fmt::format("\"{}\" is not a {}", token_.text, name(literal.type)));
    literal.integer = *parsed;
    SHOPLAKE_TRY(advance());
    return literal;
  }

  Result<Expression> number() {
    Expression literal;
    const std::string& text = token_.text;
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string::npos) {
      literal.type = Type::integer;
      const auto parsed = std::from_chars(text.data(), end, literal.integer);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return wrong(token_.at, fmt::format("\"{}\" is not a number of at most 64 bits", text));
    } else {
      literal.type = Type::real;
      literal.text = text;
      const auto parsed = std::from_chars(text.data(), end, literal.real);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return wrong(token_.at, fmt::format("\"{}\" is not a number", text));
    }
    SHOPLAKE_TRY(advance());
    return literal;
  }

  Result<Expression> case_of() {
    const std::size_t at = token_.at;
    SHOPLAKE_TRY(advance());
    std::optional<Expression> subject;
    if (!at_word("when"))
      subject = SHOPLAKE_TRY(disjunction());
    std::vector<Expression> branches;
    while (SHOPLAKE_TRY(take_word("when"))) {
      Expression condition = SHOPLAKE_TRY(disjunction());
      if (subject)
        condition = SHOPLAKE_TRY(compare(Operation::equal, *subject, std::move(condition), at, "case"));
      SHOPLAKE_TRY(want(condition, Type::boolean, at, "when"));
      SHOPLAKE_TRY(expect_word("then"));
      branches.push_back(std::move(condition));
      branches.push_back(SHOPLAKE_TRY(disjunction()));
      SHOPLAKE_TRY(longer(at));
    }
    if (branches.empty())
      return unexpected("when");
    branches.push_back(SHOPLAKE_TRY(take_word("else")) ? SHOPLAKE_TRY(disjunction()) : null_literal());
    SHOPLAKE_TRY(expect_word("end"));
    return choose(std::move(branches), at, "case");
  }

  Result<Expression> choose(std::vector<Expression> branches, std::size_t at, std::string_view what) {
    std::vector<Expression*> values;
    for (std::size_t index = 1; index < branches.size(); index += 2)
      values.push_back(&branches[index]);
    values.push_back(&branches.back());
    const Type type = SHOPLAKE_TRY(unify(std::move(values), at, what));
    return node_of(Operation::choose, type, std::move(branches));
  }

  Result<Expression> call(const Token& begin) {
    const std::string called = lower_case(begin.text);
    const Function* function = nullptr;
    std::vector<std::string_view> known;
    for (const Function& candidate : kFunctions) {
      known.push_back(candidate.name);
      if (candidate.name == called)
        function = &candidate;
    }
    if (function == nullptr)
      return wrong(begin.at, fmt::format("there is no function {}; known are {}", begin.text, fmt::join(known, ", ")));
    SHOPLAKE_TRY(advance());
    std::vector<Expression> arguments;
    if (!at_symbol(")")) {
      do {
        arguments.push_back(SHOPLAKE_TRY(disjunction()));
        SHOPLAKE_TRY(longer(begin.at));
      } while (SHOPLAKE_TRY(take_symbol(",")));
    }
    SHOPLAKE_TRY(expect_symbol(")"));
    return apply(*function, std::move(arguments), begin.at);
  }

  Result<void> want_count(const Function& function, std::size_t given, std::size_t least, std::size_t most,
                          std::size_t at) const {
    if (given >= least && given <= most)
      return {};
    return wrong(
        at, fmt::format("{} takes {}{} argument{}, {} {} given", function.name, least == most ? "" : "at least ", least,
                        least == 1 ? "" : "s", given, given == 1 ? "is" : "are"));
  }

  Result<Expression> apply(const Function& function, std::vector<Expression> arguments, std::size_t at) {
    constexpr std::size_t kAny = SIZE_MAX;
    const auto count = [&](std::size_t least, std::size_t most) {
      return want_count(function, arguments.size(), least, most, at);
    };
    switch (function.operation) {
      case Operation::coalesce: {
        SHOPLAKE_TRY(count(1, kAny));
        std::vector<Expression*> values;
        for (Expression& argument : arguments)
          values.push_back(&argument);
        const Type type = SHOPLAKE_TRY(unify(std::move(values), at, function.name));
        return node_of(Operation::coalesce, type, std::move(arguments));
      }
      case Operation::concatenate:
        SHOPLAKE_TRY(count(1, kAny));
        for (Expression& argument : arguments)
          SHOPLAKE_TRY(want(argument, Type::text, at, function.name));
        return node(Operation::concatenate, Type::text, std::move(arguments));
      case Operation::choose:
        SHOPLAKE_TRY(count(3, 3));
        SHOPLAKE_TRY(want(arguments[0], Type::boolean, at, function.name));
        return choose(std::move(arguments), at, function.name);
      case Operation::equal: {  // nullif(a, b): NULL where a = b, else a
        SHOPLAKE_TRY(count(2, 2));
        Expression kept = arguments[0];
        Expression equal = SHOPLAKE_TRY(
            compare(Operation::equal, std::move(arguments[0]), std::move(arguments[1]), at, function.name));
        std::vector<Expression> branches;
        branches.push_back(std::move(equal));
        branches.push_back(null_literal());
        branches.push_back(std::move(kept));
        return choose(std::move(branches), at, function.name);
      }
      case Operation::starts_with:
      case Operation::ends_with:
      case Operation::contains:
        SHOPLAKE_TRY(count(2, 2));
        for (Expression& argument : arguments)
          SHOPLAKE_TRY(want(argument, Type::text, at, function.name));
        return node(function.operation, Type::boolean, std::move(arguments));
      case Operation::replace:
        SHOPLAKE_TRY(count(3, 3));
        for (Expression& argument : arguments)
          SHOPLAKE_TRY(want(argument, Type::text, at, function.name));
        return node(Operation::replace, Type::text, std::move(arguments));
      case Operation::substring:
        SHOPLAKE_TRY(count(3, 3));
        SHOPLAKE_TRY(want(arguments[0], Type::text, at, function.name));
        SHOPLAKE_TRY(want(arguments[1], Type::integer, at, function.name));
        SHOPLAKE_TRY(want(arguments[2], Type::integer, at, function.name));
        return node(Operation::substring, Type::text, std::move(arguments));
      case Operation::lower:
      case Operation::upper:
      case Operation::trim:
      case Operation::length:
        SHOPLAKE_TRY(count(1, 1));
        SHOPLAKE_TRY(want(arguments[0], Type::text, at, function.name));
        return node(function.operation, function.operation == Operation::length ? Type::integer : Type::text,
                    std::move(arguments));
      case Operation::absolute:
      case Operation::round:
      case Operation::floor:
      case Operation::ceiling: {
        SHOPLAKE_TRY(count(1, 1));
        const Type type = arguments[0].type;
        if (is_untyped(arguments[0]) || !is_numeric(type))
          return wrong(at, fmt::format("{} needs a number", function.name));
        if (type == Type::integer && function.operation != Operation::absolute)
          return std::move(arguments[0]);
        Expression result = node_of(function.operation, type, std::move(arguments));
        if (function.operation != Operation::absolute)
          result.decimal.scale = 0;
        return result;
      }
      case Operation::date:
      case Operation::hour:
      case Operation::minute:
        SHOPLAKE_TRY(count(1, 1));
        SHOPLAKE_TRY(want(arguments[0], Type::timestamp, at, function.name));
        return node(function.operation, function.operation == Operation::date ? Type::date : Type::integer,
                    std::move(arguments));
      default:
        SHOPLAKE_TRY(count(1, 1));
        if (is_untyped(arguments[0]) || (arguments[0].type != Type::timestamp && arguments[0].type != Type::date))
          return wrong(at, fmt::format("{} needs a timestamp or a date", function.name));
        return node(function.operation, Type::integer, std::move(arguments));
    }
  }

  // Chains count, too: evaluating recurses over the left operands.
  Result<void> longer(std::size_t at) {
    if (++nodes_ > kNodesMax)
      return wrong(at, fmt::format("it has more than {} operations", kNodesMax));
    if (depth_ > kExpressionDepthMax)
      return wrong(at, fmt::format("it nests deeper than {} levels", kExpressionDepthMax));
    return {};
  }
  static std::vector<Expression> one(Expression operand) {
    std::vector<Expression> operands;
    operands.push_back(std::move(operand));
    return operands;
  }
  static std::vector<Expression> pair(Expression left, Expression right) {
    std::vector<Expression> operands;
    operands.reserve(2);
    operands.push_back(std::move(left));
    operands.push_back(std::move(right));
    return operands;
  }

  static constexpr int kNodesMax = 1'000;

  std::string_view text_;
  const FindExpressionField& find_;
  std::size_t at_ = 0;
  Token token_;
  int depth_ = 0;
  int nodes_ = 0;
};

}  // namespace

Result<Expression> parse_expression(std::string_view text, const FindExpressionField& find) {
  return Parser(text, find).parse();
}

}  // namespace shoplake::contract
