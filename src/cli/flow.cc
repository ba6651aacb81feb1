// shoplake flow: its commands; and flow validate FILE...: are these state machines right?

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/flow.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

std::string as_json(const app::CheckedFlow& checked) {
  if (checked.error)
    return fmt::format(R"({{"path":{},"valid":false,{})", json_quoted(checked.path),
                       error_as_json(*checked.error).substr(1));
  std::string findings;
  for (const flow::Finding& finding : checked.findings) {
    findings += fmt::format(R"({}{{"path":{},"message":{}}})", findings.empty() ? "" : ",", json_quoted(finding.path),
                            json_quoted(finding.message));
  }
  return fmt::format(R"({{"path":{},"valid":{},"states":{},"findings":[{}]}})", json_quoted(checked.path),
                     checked.findings.empty(), checked.states, findings);
}

void say(const app::CheckedFlow& checked, Context& context) {
  if (checked.error) {
    std::fputs((error_for_people(*checked.error, standard_error()) + "\n").c_str(), stderr);
  } else if (checked.findings.empty()) {
    context.say(fmt::format("{}: {}, {}", checked.path, standard_output().styled(Style::good, "valid"),
                            format_noun(static_cast<std::int64_t>(checked.states), "state")));
  } else {
    for (const flow::Finding& finding : checked.findings)
      std::fputs(fmt::format("{}: {}: {}\n", checked.path, finding.path, finding.message).c_str(), stderr);
  }
}

base::Result<int> validate(const std::vector<std::string>& paths, Context& context) {
  int exit_code = 0;
  std::string json;
  for (const app::CheckedFlow& checked : app::check_flows(io::posix_env(), paths)) {
    if (exit_code == 0 && checked.error)
      exit_code = base::exit_code(checked.error->kind);
    if (exit_code == 0 && !checked.findings.empty())
      exit_code = base::exit_code(base::ErrorKind::usage);
    if (context.json)
      json += (json.empty() ? "" : ",") + as_json(checked);
    else
      say(checked, context);
  }
  if (context.json)
    context.print(fmt::format(R"({{"flows":[{}],"exit_code":{}}})", json, exit_code));
  return exit_code;
}

}  // namespace

void add_flow(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("flow", "state machines in Amazon States Language");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake flow start shop_batch --wait");
  add_flow_show(*command, context);
  add_flow_run(*command, context);
  auto paths = std::make_shared<std::vector<std::string>>();
  auto* validate_command =
      command->add_subcommand("validate", "what is wrong with definitions: the place in each, and why");
  validate_command->add_option("file", *paths, "definitions: <flow>.asl.json")->required()->type_name("FILE");
  validate_command->footer(
      "Example:\n"
      "  shoplake flow validate nightly.asl.json\n"
      "\n"
      "docs/flows.md lists what a definition may hold.\n"
      "Exit codes: 0 all are valid; 2 one is not, or there is no such file; 4 disk or permission.");
  validate_command->callback([paths, &context] { context.finish(validate(*paths, context)); });
}

}  // namespace shoplake::cli
