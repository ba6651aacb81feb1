// The types of expressions (contract/expression.h): which operands fit together, and the casts that make them of one
// type. What they mean is docs/formats/contract.md. Internal to expression*.cc. `at` is a place in the text and `what`
// or `where` an operator's spelling, for messages.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/expression.h"

namespace shoplake::contract {

// Short for what is named in every line here.
using Operation = Expression::Operation;

inline bool is_numeric(Type type) { return type == Type::integer || type == Type::real || type == Type::decimal; }

// The literal NULL takes the type of what it stands beside; until then it has one that no value has.
inline constexpr Type kUntyped = Type::structure;
inline bool is_untyped(const Expression& e) { return e.type == kUntyped; }
Expression null_literal();

Expression node(Operation operation, Type type, std::vector<Expression> operands);
// The same operation on operands of one type.
Expression node_of(Operation operation, Type type, std::vector<Expression> operands);
std::vector<Expression> one(Expression operand);
std::vector<Expression> pair(Expression left, Expression right);

// Makes the operands of one type, which it returns; `where` is for the message.
Result<Type> unify(std::vector<Expression*> operands, std::size_t at, std::string_view where);
// An error if the operand is of another type.
Result<void> want(Expression& operand, Type type, std::size_t at, std::string_view what);

// left = right, left < right …
Result<Expression> compare(Operation operation, Expression left, Expression right, std::size_t at,
                           std::string_view what);
// condition, value, condition, value, …, else
Result<Expression> choose(std::vector<Expression> branches, std::size_t at, std::string_view what);
// left + right, left * right …
Result<Expression> arithmetic(Operation operation, Expression left, Expression right, std::size_t at,
                              std::string_view symbol);

}  // namespace shoplake::contract
