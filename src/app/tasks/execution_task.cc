#include "app/tasks/execution_task.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "app/tasks/outcome.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

std::string execution_arn(const std::string& flow, const std::string& name) {
  return fmt::format("arn:aws:states:local:000000000000:execution:{}:{}", flow, name);
}

flow::TaskOutcome start_failed(const base::Error& error) {
  std::string name = "StepFunctions.StepFunctionsException";
  if (error.code == "flow.no_such_flow")
    name = "StepFunctions.StateMachineDoesNotExistException";
  else if (error.code == "flow.execution_exists")
    name = "StepFunctions.ExecutionAlreadyExistsException";
  else if (error.code == "flow.bad_input" || error.code == "flow.input_too_large")
    name = "StepFunctions.InvalidExecutionInputException";
  return task_failed(std::move(name), base::to_string(error));
}

Json description_of(const flow::ExecutionRow& row, bool is_json) {
  Json description{{"ExecutionArn", execution_arn(row.flow, row.name)},
                   {"Input", row.input},
                   {"InputDetails", {{"Included", true}}},
                   {"Name", row.name}};
  if (row.output) {
    description["Output"] = is_json ? Json::parse(*row.output, nullptr, false) : Json(*row.output);
    description["OutputDetails"] = {{"Included", true}};
  }
  if (is_json)
    description["Input"] = Json::parse(row.input, nullptr, false);
  if (row.error)
    description["Error"] = *row.error;
  if (row.cause)
    description["Cause"] = *row.cause;
  description["StartDate"] = row.started_micros / 1'000;
  description["StateMachineArn"] = fmt::format("arn:aws:states:local:000000000000:stateMachine:{}", row.flow);
  description["Status"] = flow::name(row.status);
  if (row.ended_micros)
    description["StopDate"] = *row.ended_micros / 1'000;
  return description;
}

}  // namespace

flow::TaskOutcome StartExecutionTask::run(const flow::TaskCall& call) {
  const auto arn = needed_parameter(*call.input, "StateMachineArn");
  const auto given = text_parameter(*call.input, "Name");
  if (!arn.ok() || !given.ok())
    return task_failed("States.ParameterPathFailure", (arn.ok() ? given.error() : arn.error()).message);
  const std::string flow(last_of_arn(*arn));
  const std::string name = given->value_or(call_uuid(call));
  const auto input = call.input->find("Input");
  const std::string text = input == call.input->end() ? "{}"
                           : input->is_string()       ? input->get<std::string>()
                                                      : flow::compact(*input);
  const auto started = executions_.start(flow, name, text, fmt::format("flow:{}/{}", call.flow, call.execution));
  if (!started.ok())
    return start_failed(started.error());
  if (answer_ != Answer::started)
    return wait(call, flow, name);
  const auto row = executions_.find(flow, name);
  if (!row.ok())
    return start_failed(row.error());
  Json output{{"ExecutionArn", execution_arn(flow, name)}, {"StartDate", row->started_micros / 1'000}};
  add_response_metadata(output, call);
  return task_succeeded(std::move(output));
}

flow::TaskOutcome StartExecutionTask::wait(const flow::TaskCall& call, const std::string& flow,
                                           const std::string& name) {
  const auto ended = executions_.wait(flow, name, call.stop);
  if (!ended.ok())
    return start_failed(ended.error());
  if (!*ended) {
    // Either this process ends, and whoever goes on waits again, or nobody wants the outcome any more.
    const auto parent = executions_.find(call.flow, call.execution);
    if (parent.ok() && parent->status != flow::ExecutionStatus::running)
      (void)executions_.stop(flow, name, {"States.TaskFailed", "the execution that started it has ended"});
    return task_failed("States.TaskFailed", "stopped");
  }
  const bool is_json = answer_ == Answer::json;
  Json description = description_of(**ended, is_json);
  if ((*ended)->status != flow::ExecutionStatus::succeeded)
    return task_failed_with("States.TaskFailed", description);
  return task_succeeded(std::move(description));
}

}  // namespace shoplake::app
