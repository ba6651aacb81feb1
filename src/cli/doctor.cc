// shoplake doctor: can shoplake work here?

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "app/doctor.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/help.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

using Status = app::Check::Status;

constexpr int kExitProblem = 4;

const char* status_name(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::warning: return "warning";
    case Status::problem: return "problem";
  }
  return "";
}

Style style_of(Status status) {
  return status == Status::ok ? Style::good : status == Status::warning ? Style::warning : Style::bad;
}

base::Result<int> run(Context& context) {
  const std::vector<app::Check> checks = app::run_doctor(io::posix_env());
  int problems = 0;
  std::string json;
  for (const app::Check& check : checks) {
    problems += check.status == Status::problem ? 1 : 0;
    json.append(json.empty() ? "" : ",")
        .append(fmt::format(R"({{"name":{},"status":"{}","detail":{},"advice":{}}})", json_quoted(check.name),
                            status_name(check.status), json_quoted(check.detail), json_quoted(check.advice)));
    const std::string status =
        standard_output().styled(style_of(check.status), fmt::format("{:<8}", status_name(check.status)));
    context.say(fmt::format("{} {:<14} {}", status, check.name, check.detail));
    if (!check.advice.empty()) {
      context.say(fmt::format("{:<23} {} {}", "", standard_output().styled(Style::bold, "do:"), check.advice));
    }
  }
  if (context.json) {
    context.print(fmt::format(R"({{"ok":{},"checks":[{}]}})", problems == 0, json));
  }
  return problems == 0 ? 0 : kExitProblem;
}

}  // namespace

void add_doctor(CLI::App& root, Context& context) {
  auto* command =
      root.add_subcommand("doctor", "checks the installation, the home, the disk, the clock and the catalog");
  command->footer(
      "Examples:\n"
      "  shoplake doctor\n"
      "  shoplake doctor --json\n"
      "\n"
      "Nothing is changed. Exit codes: 0 all is well (warnings included), 4 there is a problem.");
  command->callback([&context] { context.finish(run(context)); });
}

}  // namespace shoplake::cli
