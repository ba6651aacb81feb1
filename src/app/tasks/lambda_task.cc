#include "app/tasks/lambda_task.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "app/tasks/outcome.h"
#include "base/nearest_name.h"

namespace shoplake::app {

using flow::Json;

namespace {

constexpr std::string_view kFunctionArn = ":function:";

// "arn:aws:lambda:eu-central-1:1:function:load:live" → "load"; "load:live" → "load".
std::string function_name(std::string_view name) {
  if (const auto at = name.find(kFunctionArn); at != std::string_view::npos)
    name.remove_prefix(at + kFunctionArn.size());
  return std::string(name.substr(0, name.find(':')));
}

Json cause_of(const std::string& type, const base::Error& error) {
  Json cause{{"errorType", type}, {"errorMessage", error.message}, {"code", error.code}};
  if (!error.advice.empty())
    cause["advice"] = error.advice;
  return cause;
}

}  // namespace

flow::TaskOutcome LambdaTask::run(const flow::TaskCall& call) {
  static const Json kNothing = Json::object();
  if (call.resource.starts_with("arn:aws:lambda:"))
    return invoke(call, function_name(call.resource), *call.input, true);
  const auto name = needed_parameter(*call.input, "FunctionName");
  if (!name.ok())
    return task_failed("States.ParameterPathFailure", name.error().message);
  const auto payload = call.input->find("Payload");
  return invoke(call, function_name(*name), payload == call.input->end() ? kNothing : *payload, false);
}

flow::TaskOutcome LambdaTask::invoke(const flow::TaskCall& call, const std::string& name, const Json& payload,
                                     bool is_bare) const {
  const auto found = functions_.find(name);
  if (found == functions_.end()) {
    std::vector<std::string> names;
    for (const auto& [each, function] : functions_)
      names.push_back(each);
    const std::string nearest = base::nearest_name(name, names);
    return task_failed("Lambda.ResourceNotFoundException",
                       fmt::format("Function not found: {}{}", name,
                                   nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest)));
  }
  if (call.is_resumed && !found->second.is_resumable) {
    return task_failed("Lambda.Unknown", "The process ended while the function ran; whether it was done is not known.");
  }
  auto result = found->second.body(call, payload);
  if (!result.ok()) {
    const std::string type =
        is_transient(result.error()) ? "Lambda.ServiceException" : exception_name(result.error().code);
    return task_failed_with(type, cause_of(type, result.error()));
  }
  if (is_bare)
    return task_succeeded(std::move(result).value());
  Json output{{"ExecutedVersion", "$LATEST"}, {"Payload", std::move(result).value()}};
  add_response_metadata(output, call);
  output["StatusCode"] = 200;
  return task_succeeded(std::move(output));
}

}  // namespace shoplake::app
