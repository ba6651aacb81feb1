// shoplake contract init|check|diff: are these data contracts right, what would one look like, what changes?

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

struct Options {
  std::vector<std::string> paths;
  std::string dataset;
  std::string output;
  std::string older;
  std::string newer;
};

std::string as_json(const app::CheckedContract& checked) {
  if (checked.error) {
    const std::string error = error_as_json(*checked.error);
    return fmt::format(R"({{"path":{},"valid":false,{})", json_quoted(checked.path), error.substr(1));
  }
  return fmt::format(
      R"({{"path":{},"valid":true,"dataset":{},"table":{},"fields":{},"values":{},"personal":{},"treated":{},"expectations":{}}})",
      json_quoted(checked.path), json_quoted(checked.dataset), json_quoted(checked.table), checked.fields,
      checked.values, checked.personal, checked.treated, checked.expectations);
}

base::Result<int> check(const Options& options, Context& context) {
  const std::vector<app::CheckedContract> all = SHOPLAKE_TRY(app::check_contracts(io::posix_env(), options.paths));
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

base::Result<int> draft(const Options& options, Context& context) {
  io::Env& env = io::posix_env();
  const app::DraftedContract drafted = SHOPLAKE_TRY(app::draft_contract(env, options.paths, options.dataset));
  if (!options.output.empty()) {
    if (SHOPLAKE_TRY(env.exists(options.output))) {
      return base::make_error(base::ErrorKind::already_exists, "contract.file_exists",
                              fmt::format("{} exists already", options.output),
                              "Name another file, or remove it first.");
    }
    SHOPLAKE_TRY(env.write_file(options.output, drafted.yaml));
  }
  if (context.json) {
    context.print(fmt::format(R"({{"dataset":{},"records":{},"malformed":{},"yaml":{}}})", json_quoted(drafted.dataset),
                              drafted.records, drafted.malformed, json_quoted(drafted.yaml)));
  } else if (options.output.empty()) {
    context.print(drafted.yaml);
  } else {
    context.say(fmt::format("{}: drafted from {}     next: look at every line, then shoplake contract check {}",
                            options.output, format_noun(drafted.records, "record"), options.output));
  }
  return 0;
}

base::Result<int> diff(const Options& options, Context& context) {
  const std::vector<contract::Difference> found =
      options.newer.empty() ? SHOPLAKE_TRY(app::diff_with_table(*SHOPLAKE_TRY(context.app()), options.older))
                            : SHOPLAKE_TRY(app::diff_contracts(io::posix_env(), options.older, options.newer));
  using Effect = contract::Difference::Effect;
  bool breaks = false;
  std::string json;
  for (const contract::Difference& difference : found) {
    breaks |= difference.effect == Effect::breaking;
    const Style style = difference.effect == Effect::breaking   ? Style::bad
                        : difference.effect == Effect::stricter ? Style::warning
                                                                : Style::good;
    json +=
        fmt::format(R"({}{{"effect":{},"place":{},"what":{}}})", json.empty() ? "" : ",",
                    json_quoted(name(difference.effect)), json_quoted(difference.place), json_quoted(difference.what));
    context.say(fmt::format("{}  {}: {}",
                            standard_output().styled(style, fmt::format("{:<10}", name(difference.effect))),
                            difference.place, difference.what));
  }
  if (context.json) {
    context.print(fmt::format(R"({{"differences":[{}],"breaking":{}}})", json, breaks));
  } else if (found.empty()) {
    context.say("no difference that data or tables would notice");
  }
  return breaks ? 1 : 0;
}

}  // namespace

void add_contract(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("contract", "data contracts: what loads expect of files");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake contract check datasets/*.yml");
  auto options = std::make_shared<Options>();

  auto* init_command = command->add_subcommand("init", "drafts a contract from files: CSV, JSON, NDJSON, Parquet");
  init_command->add_option("file", options->paths, "files of one dataset; the more, the better the draft")
      ->required()
      ->type_name("FILE");
  init_command->add_option("--dataset", options->dataset, "name of the dataset; default: after the first file");
  init_command->add_option("--output,-o", options->output, "writes it to this file instead of standard output");
  init_command->footer(
      "Types, required fields, dates, small sets of values, a candidate key and personal data are guessed from the "
      "first "
      "100,000\nrecords of each file; comments say what to look at.\n\n"
      "Example:\n"
      "  shoplake contract init exports/*.csv --dataset orders -o datasets/orders.yml\n"
      "\n"
      "Exit codes: 0 done; 2 no such file, or the output exists; 3 a file has no records that can be read; 4 disk or "
      "permission.");
  init_command->callback([options, &context] { context.finish(draft(*options, context)); });

  auto* check_command = command->add_subcommand(
      "check", "reads contracts as a load would; the first mistake of each, with line and column");
  check_command->add_option("file", options->paths, "contracts, or names of datasets; default: all of the home")
      ->type_name("FILE|DATASET");
  check_command->footer(
      "Example:\n"
      "  shoplake contract check datasets/*.yml\n"
      "\n"
      "Editors that know YAML schemas complete and check a contract that begins with\n"
      "  # yaml-language-server: $schema=contract.schema.json\n"
      "Exit codes: 0 all are valid; 2 one is not, or there is no such file; 4 disk or permission.");
  check_command->callback([options, &context] { context.finish(check(*options, context)); });

  auto* diff_command = command->add_subcommand("diff", "what changes from one contract to another, or from the table");
  diff_command
      ->add_option("old", options->older, "the contract of before; alone: the one that the table is compared with")
      ->required()
      ->type_name("FILE|DATASET");
  diff_command->add_option("new", options->newer, "the contract of afterwards")->type_name("FILE|DATASET");
  diff_command->footer(
      "compatible: files load as before and the table evolves by itself; stricter: records that were good may be "
      "rejected; "
      "breaking:\nthe table cannot become it, or readers or files lose something.\n\n"
      "Examples:\n"
      "  shoplake contract diff transactions transactions_new.yml\n"
      "  shoplake contract diff transactions            against the table as it is\n"
      "\n"
      "Exit codes: 0 nothing breaks; 1 something does; 2 no such file, a contract is not valid; 4 disk or permission.");
  diff_command->callback([options, &context] { context.finish(diff(*options, context)); });
}

}  // namespace shoplake::cli
