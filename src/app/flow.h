// `shoplake flow validate`: state machines read as an execution would read them, and nothing else done. Needs no home.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/definition.h"
#include "io/env.h"

namespace shoplake::app {

struct CheckedFlow {
  std::string path;
  std::optional<base::Error> error;     // the file cannot be read
  std::vector<flow::Finding> findings;  // empty: it is right
  std::size_t states = 0;               // of the whole machine, inner ones too
};

// Of the whole machine, inner ones too.
std::size_t count_states(const flow::StateMachine& machine);

// One for each path, in order.
std::vector<CheckedFlow> check_flows(io::Env& env, const std::vector<std::string>& paths);

}  // namespace shoplake::app
