// The functions of expressions (contract/expression.h): their names, and what arguments each takes. Internal to
// expression*.cc.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/expression.h"

namespace shoplake::contract {

struct ExpressionFunction {
  std::string_view name;
  Expression::Operation operation;
};

// Errors: there is none of that name, in any case.
Result<ExpressionFunction> find_function(std::string_view name, std::size_t at);
// The call at that place of the text. Errors: too few or many arguments, or some of the wrong type.
Result<Expression> call_function(const ExpressionFunction& function, std::vector<Expression> arguments, std::size_t at);

}  // namespace shoplake::contract
