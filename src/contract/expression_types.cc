#include "contract/expression_types.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "contract/decimal.h"
#include "contract/expression_lexer.h"

namespace shoplake::contract {

namespace {

// A long becomes a decimal beside one, both become doubles beside one.
int numeric_rank(Type type) { return type == Type::integer ? 0 : type == Type::decimal ? 1 : 2; }

// A literal as "12.50".
bool is_exact_literal(const Expression& e) {
  const std::size_t point = e.text.find('.');
  return e.operation == Operation::literal && !e.is_null && e.type == Type::real &&
         e.text.find_first_of("eE") == std::string::npos && e.text.size() <= kDecimalDigitsMax &&
         point != std::string::npos;
}

void make_exact(Expression& e) {
  const auto scale = static_cast<std::uint8_t>(e.text.size() - e.text.find('.') - 1);
  e.type = Type::decimal;
  e.decimal = {kDecimalDigitsMax, scale};
  e.integer = parse_decimal(e.text, e.decimal).value_or(0);
}

// Literals with a point are doubles, but beside decimals they are exact, too.
Type exact_type(const std::vector<Expression*>& operands) {
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

DecimalShape common_shape(const std::vector<Expression*>& operands) {
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

Expression to_real(Expression operand) {
  if (operand.operation == Operation::literal && !operand.is_null && operand.type == Type::integer) {
    operand.real = static_cast<double>(operand.integer);
    operand.type = Type::real;
    return operand;
  }
  return node(Operation::to_real, Type::real, one(std::move(operand)));
}

Expression to_decimal(Expression operand, DecimalShape shape) {
  Expression cast = node(Operation::to_decimal, Type::decimal, one(std::move(operand)));
  cast.decimal = shape;
  return cast;
}

// Of a decimal and a decimal or long: as many digits behind the point as both have together.
Result<Expression> exact_product(Expression left, Expression right, std::size_t at) {
  const int scale = left.decimal.scale + right.decimal.scale;
  if (scale > kDecimalDigitsMax)
    return expression_error(
        at, fmt::format("the product has {} digits behind the point, more than {}", scale, kDecimalDigitsMax));
  Expression product = node(Operation::multiply, Type::decimal, pair(std::move(left), std::move(right)));
  product.decimal = {kDecimalDigitsMax, static_cast<std::uint8_t>(scale)};
  return product;
}

}  // namespace

Expression null_literal() {
  Expression e;
  e.is_null = true;
  e.type = kUntyped;
  return e;
}

Expression node(Operation operation, Type type, std::vector<Expression> operands) {
  Expression e;
  e.operation = operation;
  e.type = type;
  e.operands = std::move(operands);
  return e;
}

Expression node_of(Operation operation, Type type, std::vector<Expression> operands) {
  const DecimalShape shape = operands.back().decimal;
  Expression e = node(operation, type, std::move(operands));
  if (type == Type::decimal)
    e.decimal = shape;
  return e;
}

std::vector<Expression> one(Expression operand) {
  std::vector<Expression> operands;
  operands.push_back(std::move(operand));
  return operands;
}

std::vector<Expression> pair(Expression left, Expression right) {
  std::vector<Expression> operands;
  operands.reserve(2);
  operands.push_back(std::move(left));
  operands.push_back(std::move(right));
  return operands;
}

Result<Type> unify(std::vector<Expression*> operands, std::size_t at, std::string_view where) {
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
      return expression_error(
          at, fmt::format("{} has values of the types {} and {}", where, name(*type), name(operand->type)));
    }
  }
  if (!type)
    return expression_error(at, fmt::format("the type of {} is not known: all its values are NULL", where));
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

Result<void> want(Expression& operand, Type type, std::size_t at, std::string_view what) {
  if (is_untyped(operand))
    operand.type = type;
  if (operand.type != type)
    return expression_error(at, fmt::format("{} needs a {}, this is a {}", what, name(type), name(operand.type)));
  return {};
}

Result<Expression> compare(Operation operation, Expression left, Expression right, std::size_t at,
                           std::string_view what) {
  const Type type = SHOPLAKE_TRY(unify({&left, &right}, at, what));
  if (type == Type::boolean && operation != Operation::equal && operation != Operation::not_equal)
    return expression_error(at, fmt::format("{} does not compare booleans", what));
  return node(operation, Type::boolean, pair(std::move(left), std::move(right)));
}

Result<Expression> choose(std::vector<Expression> branches, std::size_t at, std::string_view what) {
  std::vector<Expression*> values;
  for (std::size_t index = 1; index < branches.size(); index += 2)
    values.push_back(&branches[index]);
  values.push_back(&branches.back());
  const Type type = SHOPLAKE_TRY(unify(std::move(values), at, what));
  return node_of(Operation::choose, type, std::move(branches));
}

Result<Expression> arithmetic(Operation operation, Expression left, Expression right, std::size_t at,
                              std::string_view symbol) {
  if (operation == Operation::multiply && !is_untyped(left) && !is_untyped(right) &&
      exact_type({&left, &right}) == Type::decimal)
    return exact_product(std::move(left), std::move(right), at);
  const Type type = SHOPLAKE_TRY(unify({&left, &right}, at, symbol));
  if (!is_numeric(type))
    return expression_error(at, fmt::format("{} needs numbers, these are of type {}", symbol, name(type)));
  if (operation == Operation::modulo && type != Type::integer)
    return expression_error(at, "% needs longs");
  if (operation == Operation::divide && type != Type::real)
    return node(operation, Type::real, pair(to_real(std::move(left)), to_real(std::move(right))));
  Expression result = node_of(operation, type, pair(std::move(left), std::move(right)));
  if (type == Type::decimal)
    result.decimal.precision = kDecimalDigitsMax;
  return result;
}

}  // namespace shoplake::contract
