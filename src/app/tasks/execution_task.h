// `states:startExecution`, `.sync` and `.sync:2`: executions of other flows.
//
//   Parameters {"StateMachineArn": "arn:aws:states:eu-central-1:111111111111:stateMachine:attribution_refresh",
//               "Input": {…}, "Name": …}
//   output     {"ExecutionArn", "StartDate"}; of .sync and .sync:2 as DescribeExecution answers, with Output as text
//              (.sync) or as JSON (.sync:2)
//
// Without a Name the execution's name belongs to the start of the state, so that after a crash it is the same execution
// that is waited for. Where the starting execution is stopped, times out or fails, the started one is stopped.
// Errors: StepFunctions.StateMachineDoesNotExistException, StepFunctions.ExecutionAlreadyExistsException,
// StepFunctions.InvalidExecutionInputException; of .sync States.TaskFailed with the description as cause.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "flow/orchestrator.h"
#include "flow/store.h"
#include "flow/task.h"

namespace shoplake::app {

// Who runs executions. Thread safe.
class Executions {
 public:
  virtual ~Executions() = default;
  // By the flow's name, with its definition as it is now. Error flow.no_such_flow (not_found) and those of
  // flow::start_execution.
  virtual base::Result<flow::Started> start(const std::string& flow, const std::string& name, const std::string& input,
                                            const std::string& started_by) = 0;
  // Once it has ended; nothing if `stop` came first.
  virtual base::Result<std::optional<flow::ExecutionRow>> wait(const std::string& flow, const std::string& name,
                                                               const std::stop_token& stop) = 0;
  virtual base::Result<flow::ExecutionRow> find(const std::string& flow, const std::string& name) = 0;
  virtual base::Result<void> stop(const std::string& flow, const std::string& name,
                                  const flow::StateFailure& failure) = 0;
};

class StartExecutionTask : public flow::Task {
 public:
  enum class Answer { started, text, json };  // startExecution, .sync, .sync:2

  StartExecutionTask(Executions& executions, Answer answer) : executions_(executions), answer_(answer) {}
  bool is_resumable() const override { return true; }
  bool is_waiting() const override { return answer_ != Answer::started; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  flow::TaskOutcome wait(const flow::TaskCall& call, const std::string& flow, const std::string& name);

  Executions& executions_;  // outlives it
  Answer answer_;
};

}  // namespace shoplake::app
