#include "contract/expression_functions.h"

#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "contract/expression_lexer.h"
#include "contract/expression_types.h"

namespace shoplake::contract {

namespace {

constexpr ExpressionFunction kFunctions[] = {
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

Result<void> want_count(const ExpressionFunction& function, std::size_t given, std::size_t least, std::size_t most,
                        std::size_t at) {
  if (given >= least && given <= most)
    return {};
  return expression_error(
      at, fmt::format("{} takes {}{} argument{}, {} {} given", function.name, least == most ? "" : "at least ", least,
                      least == 1 ? "" : "s", given, given == 1 ? "is" : "are"));
}

}  // namespace

Result<ExpressionFunction> find_function(std::string_view name, std::size_t at) {
  const std::string called = lower_case(name);
  std::vector<std::string_view> known;
  for (const ExpressionFunction& candidate : kFunctions) {
    known.push_back(candidate.name);
    if (candidate.name == called)
      return candidate;
  }
  return expression_error(at, fmt::format("there is no function {}; known are {}", name, fmt::join(known, ", ")));
}

Result<Expression> call_function(const ExpressionFunction& function, std::vector<Expression> arguments,
                                 std::size_t at) {
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
      Expression equal =
          SHOPLAKE_TRY(compare(Operation::equal, std::move(arguments[0]), std::move(arguments[1]), at, function.name));
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
        return expression_error(at, fmt::format("{} needs a number", function.name));
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
        return expression_error(at, fmt::format("{} needs a timestamp or a date", function.name));
      return node(function.operation, Type::integer, std::move(arguments));
  }
}

}  // namespace shoplake::contract
