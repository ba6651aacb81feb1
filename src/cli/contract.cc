// shoplake contract check FILE...: are these data contracts right?

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/contract.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

std::string as_json(const app::CheckedContract& checked) {
  if (checked.error) {
    const std::string error = error_as_json(*checked.error);
    return fmt::format(R"({{"path":{},"valid":false,{})", json_quoted(checked.path), error.substr(1));
  }
  return fmt::format(
      R"({{"path":{},"valid":true,"dataset":{},"table":{},"fields":{},"values":{},"personal":{},"treated":{}}})",
      json_quoted(checked.path), json_quoted(checked.dataset), json_quoted(checked.table), checked.fields,
      checked.values, checked.personal, checked.treated);
}

base::Result<int> check(const std::vector<std::string>& paths, Context& context) {
  const std::vector<app::CheckedContract> all = app::check_contracts(io::posix_env(), paths);
  int exit_code = 0;
  std::string json;
  for (const app::CheckedContract& checked : all) {
    if (checked.error && exit_code == 0)
      exit_code = base::exit_code(checked.error->kind);
    if (context.json) {
      json += (json.empty() ? "" : ",") + as_json(checked);
    } else if (checked.error) {
      std::fputs((error_for_people(*checked.error, standard_error()) + "\n").c_str(), stderr);
    } else {
      context.say(fmt::format("{}: {}, {} → {}, {} with {}; {} personal, {} treated", checked.path,
                              standard_output().styled(Style::good, "valid"), checked.dataset, checked.table,
                              format_noun(checked.fields, "field"), format_noun(checked.values, "value"),
                              format_count(checked.personal), format_count(checked.treated)));
    }
  }
  if (context.json)
    context.print(fmt::format(R"({{"contracts":[{}],"exit_code":{}}})", json, exit_code));
  return exit_code;
}

}  // namespace

void add_contract(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("contract", "data contracts: what loads expect of files");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake contract check datasets/*.yml");
  auto paths = std::make_shared<std::vector<std::string>>();
  auto* check_command =
      command->add_subcommand("check", "reads contracts as a load would; the first mistake of each, with its line");
  check_command->add_option("file", *paths, "contracts: datasets/<dataset>.yml")->required()->type_name("FILE");
  check_command->footer(
      "Example:\n"
      "  shoplake contract check datasets/*.yml\n"
      "\n"
      "Editors that know YAML schemas complete and check a contract that begins with\n"
      "  # yaml-language-server: $schema=contract.schema.json\n"
      "Exit codes: 0 all are valid; 2 one is not, or there is no such file; 4 disk or permission.");
  check_command->callback([paths, &context] { context.finish(check(*paths, context)); });
}

}  // namespace shoplake::cli
