// Where flows are: <home>/flows/<flow>.asl.json, else <prefix>/share/shoplake/flows/<flow>.asl.json. A file of the home
// stands for the one of the same name that comes with shoplake.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

inline constexpr std::string_view kFlowEnding = ".asl.json";

struct FlowFile {
  std::string flow;  // its name
  std::string path;
  bool is_own = false;  // of the home
};

// By name.
base::Result<std::vector<FlowFile>> list_flow_files(App& app);
// Error flow.no_such_flow (not_found), with what was meant.
base::Result<FlowFile> find_flow_file(App& app, const std::string& flow);

// Errors: those of Env, flow.definition_too_large (usage).
base::Result<std::string> read_flow_file(io::Env& env, const std::string& path);

// "nightly" of "/x/nightly.asl.json" and of "nightly.json". Error flow.bad_name (usage): a flow's name has 1 to 80
// letters, digits, '-' and '_'.
base::Result<std::string> flow_name_of(const std::string& path);
base::Result<void> check_flow_name(std::string_view name);

}  // namespace shoplake::app
