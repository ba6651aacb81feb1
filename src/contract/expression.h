// Expressions of computed fields: a small typed subset of SQL over the fields of one record.
//
//   price * quantity        coalesce(currency, 'EUR')        case when price > 100 then 'high' else 'low' end
//
// An Expression is a checked tree: every node knows its type, fields are numbers into the list that was given, and
// operands of a numeric operation are of one type (casts are nodes; factors of a decimal product keep
// their scales, which add up). What each operator and
// function means is docs/formats/contract.md; transform/computed_fields.h evaluates them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/type.h"

namespace shoplake::contract {

using base::Result;

struct Expression {
  enum class Operation : std::uint8_t {
    literal,  // `text`, `integer` (also boolean, date as days, timestamp as microseconds, decimal in its last digit) or
              // `real`; NULL if is_null
    field,    // `field`
    to_real,  // long or decimal → double
    to_decimal,  // long or decimal → decimal of at least its scale
    negate,
    add,
    subtract,
    multiply,
    divide,  // of doubles
    modulo,  // of longs
    equal,
    not_equal,
    less,
    less_or_equal,
    greater,
    greater_or_equal,
    logical_and,
    logical_or,
    logical_not,
    is_null,
    coalesce,
    choose,  // condition, value, condition, value, …, else
    concatenate,
    lower,
    upper,
    trim,
    length,
    starts_with,  // this and the following: text, text
    ends_with,
    contains,
    substring,  // text, begin (from 1), count of code points
    replace,    // text, what, by what
    absolute,
    round,
    floor,
    ceiling,
    date,  // of a timestamp
    year,  // this and the following: of a timestamp or a date
    month,
    day,
    day_of_week,
    hour,  // this and the following: of a timestamp
    minute,
  };

  Operation operation = Operation::literal;
  Type type = Type::text;
  DecimalShape decimal;  // of a decimal
  std::vector<Expression> operands;
  bool is_null = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::size_t field = 0;
};

// A field that an expression may name.
struct ExpressionField {
  std::size_t number = 0;
  Type type = Type::text;
  DecimalShape decimal = {};
};
// Nothing if there is no such field; an error if it is there and may not be used.
using FindExpressionField = std::function<Result<std::optional<ExpressionField>>(std::string_view name)>;

// Nesting of parentheses, calls and operators.
inline constexpr int kExpressionDepthMax = 64;

// Errors: contract.expression (kind usage) with what is wrong and the column (from 1) where.
Result<Expression> parse_expression(std::string_view text, const FindExpressionField& find);

}  // namespace shoplake::contract
