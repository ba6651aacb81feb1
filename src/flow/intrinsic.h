// Expressions in payload templates: a path, or a call of an intrinsic function whose arguments are paths, texts,
// numbers, true, false, null and further calls.
//
//   States.Format('{} of {}', $.done, States.ArrayLength($.all))
//
// Functions: Format, StringToJson, JsonToString, Array, ArrayPartition, ArrayContains, ArrayRange, ArrayGetItem,
// ArrayLength, ArrayUnique, Base64Encode, Base64Decode, Hash, JsonMerge, MathRandom, MathAdd, StringSplit, UUID.
// Results are what AWS Step Functions answers: numbers are rounded half up, StringSplit cuts at every character of the
// separator and leaves out empty parts, a structure in Format is spelled {a=1, b=[2]}.
//
// Immutable after parse(). Source: https://states-language.net/spec.html (Appendix B) and the Step Functions guide.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "flow/json.h"
#include "io/env.h"

namespace shoplake::flow {

// What an expression sees.
struct Scope {
  const Json* input = nullptr;    // $
  const Json* context = nullptr;  // $$
  io::Env* env = nullptr;         // random numbers
};

struct ExpressionNode;

class Expression {
 public:
  // Error: flow.bad_expression, flow.bad_path (kind usage).
  static base::Result<Expression> parse(std::string_view text);

  const std::string& text() const { return text_; }
  // Errors: States.ParameterPathFailure if a path finds nothing, States.IntrinsicFailure; their message is the cause,
  // without the name of the field.
  base::Result<Json> evaluate(const Scope& scope) const;

 private:
  std::string text_;
  std::shared_ptr<const ExpressionNode> root_;
};

}  // namespace shoplake::flow
