// Payload templates (Parameters, ResultSelector, ItemSelector): a document in which a member named "x.$" stands for the
// member x with the value of an expression. Immutable after parse().
#pragma once

#include <memory>

#include "base/result.h"
#include "flow/intrinsic.h"
#include "flow/json.h"

namespace shoplake::flow {

struct TemplateNode;

class PayloadTemplate {
 public:
  // Errors: flow.bad_template (kind usage) and those of Expression; the message names the member.
  static base::Result<PayloadTemplate> parse(const Json& document);

  // Errors: States.ParameterPathFailure, States.IntrinsicFailure; the message is the cause as Step Functions spells it.
  base::Result<Json> evaluate(const Scope& scope) const;

 private:
  std::shared_ptr<const TemplateNode> root_;
};

}  // namespace shoplake::flow
