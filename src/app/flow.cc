#include "app/flow.h"

#include <fmt/format.h>

namespace shoplake::app {

namespace {

// A definition of Step Functions has at most 1 MiB.
constexpr std::uint64_t kDefinitionBytesMax = 1 << 20;

base::Result<std::string> read(io::Env& env, const std::string& path) {
  const std::uint64_t bytes = SHOPLAKE_TRY(env.file_size(path));
  if (bytes > kDefinitionBytesMax) {
    return base::make_error(
        base::ErrorKind::usage, "flow.definition_too_large",
        fmt::format("{} has {} bytes, more than {}", path, bytes, kDefinitionBytesMax),
        "Move parts of it into machines of their own and start them with states:startExecution.sync.");
  }
  return env.read_file(path);
}

std::size_t count_states(const flow::StateMachine& machine) {
  std::size_t count = machine.states.size();
  for (const auto& [name, state] : machine.states) {
    for (const auto& branch : state.branches)
      count += count_states(*branch);
  }
  return count;
}

}  // namespace

std::vector<CheckedFlow> check_flows(io::Env& env, const std::vector<std::string>& paths) {
  std::vector<CheckedFlow> all;
  for (const std::string& path : paths) {
    CheckedFlow& checked = all.emplace_back();
    checked.path = path;
    auto text = read(env, path);
    if (!text.ok()) {
      checked.error = std::move(text).error();
      continue;
    }
    flow::CheckedDefinition definition = flow::check_definition_text(*text);
    checked.findings = std::move(definition.findings);
    if (definition.machine)
      checked.states = count_states(*definition.machine);
  }
  return all;
}

}  // namespace shoplake::app
