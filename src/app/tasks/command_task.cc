#include "app/tasks/command_task.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/tasks/outcome.h"
#include "app/tasks/subprocess.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

constexpr std::int64_t kTimeoutSecondsDefault = 3'600;
constexpr std::int64_t kTimeoutSecondsMax = 99'999'999;  // as of a Task state

Result<SubprocessOptions> options_of(const Json& input, const std::string& home_directory) {
  SubprocessOptions options;
  options.command = SHOPLAKE_TRY(list_parameter(input, "Command"));
  if (options.command.empty() || options.command.front().empty())
    return base::make_error(base::ErrorKind::usage, "task.parameters", "the parameter Command is missing");
  options.directory = SHOPLAKE_TRY(text_parameter(input, "Directory")).value_or("");
  options.input = SHOPLAKE_TRY(text_parameter(input, "Input")).value_or("");
  for (const char* name : {"PATH", "HOME", "LANG", "TZ"}) {
    if (const char* value = std::getenv(name); value != nullptr)
      options.environment[name] = value;
  }
  options.environment["SHOPLAKE_HOME"] = home_directory;
  if (const auto given = input.find("Environment"); given != input.end() && given->is_object()) {
    for (const auto& [name, value] : given->items()) {
      if (!value.is_string())
        return base::make_error(base::ErrorKind::usage, "task.parameters",
                                fmt::format("the variable {} of Environment is no text", name));
      options.environment[name] = value.get<std::string>();
    }
  }
  std::int64_t seconds = kTimeoutSecondsDefault;
  if (const auto given = input.find("TimeoutSeconds"); given != input.end()) {
    if (!given->is_number_integer() || *given < 1 || *given > kTimeoutSecondsMax)
      return base::make_error(
          base::ErrorKind::usage, "task.parameters",
          fmt::format("the parameter TimeoutSeconds is no number from 1 to {}", kTimeoutSecondsMax));
    seconds = given->get<std::int64_t>();
  }
  options.timeout = std::chrono::seconds(seconds);
  return options;
}

}  // namespace

flow::TaskOutcome CommandTask::run(const flow::TaskCall& call) {
  const auto options = options_of(*call.input, home_directory_);
  if (!options.ok())
    return task_failed("States.ParameterPathFailure", options.error().message);
  auto done = run_subprocess(*options, call.stop);
  if (!done.ok())
    return task_failed("Command.CannotStart", base::to_string(done.error()));
  if (done->is_timed_out)
    return task_failed("States.Timeout", fmt::format("{} did not end within {} s", options->command.front(),
                                                     options->timeout / std::chrono::seconds(1)));
  Json output{{"ExitCode", done->exit_code},
              {"Output", std::move(done->output)},
              {"Error", std::move(done->error)},
              {"IsTruncated", done->is_truncated},
              {"DurationMilliseconds", done->duration.count()}};
  if (done->exit_code != 0)
    return task_failed_with("Command.Failed", output);
  return task_succeeded(std::move(output));
}

}  // namespace shoplake::app
