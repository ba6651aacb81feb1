// Functions by name, as `arn:aws:states:::lambda:invoke` and the bare ARN of a function call them:
//
//   lambda:invoke   Parameters {"FunctionName": "validate_files", "Payload": …}
//                   output     {"ExecutedVersion": "$LATEST", "Payload": …, "StatusCode": 200, …}
//   arn:aws:lambda:eu-central-1:111111111111:function:validate_files
//                   the state's input is the payload, the output what the function returns
//
// A name may be an ARN, with or without a version or alias behind it.
//
// Errors as Lambda has them: Lambda.ResourceNotFoundException (no such function), Lambda.ServiceException (what may go
// well the next time), else the function's own: its code as the name of an exception ("quality.check_failed" is
// QualityCheckFailed). The cause is {"errorType", "errorMessage", "code", "advice"}.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "flow/json.h"
#include "flow/task.h"

namespace shoplake::app {

// What a function does. `payload` lives as long as the call. Called by several threads at once.
struct Function {
  std::function<base::Result<flow::Json>(const flow::TaskCall& call, const flow::Json& payload)> body;
  // Whether doing it twice is doing it once. Else a call that a crash cut off fails with Lambda.Unknown, and Retry
  // decides.
  bool is_resumable = true;
};

class LambdaTask : public flow::Task {
 public:
  explicit LambdaTask(std::map<std::string, Function, std::less<>> functions) : functions_(std::move(functions)) {}

  bool is_resumable() const override { return true; }  // of a single function: Function::is_resumable
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  flow::TaskOutcome invoke(const flow::TaskCall& call, const std::string& name, const flow::Json& payload,
                           bool is_bare) const;

  std::map<std::string, Function, std::less<>> functions_;
};

}  // namespace shoplake::app
