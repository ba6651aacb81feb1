#include "app/flow.h"

#include "app/flows/definitions.h"

namespace shoplake::app {

std::size_t count_states(const flow::StateMachine& machine) {
  std::size_t count = machine.states.size();
  for (const auto& [name, state] : machine.states) {
    for (const auto& branch : state.branches)
      count += count_states(*branch);
  }
  return count;
}

std::vector<CheckedFlow> check_flows(io::Env& env, const std::vector<std::string>& paths) {
  std::vector<CheckedFlow> all;
  for (const std::string& path : paths) {
    CheckedFlow& checked = all.emplace_back();
    checked.path = path;
    auto text = read_flow_file(env, path);
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
