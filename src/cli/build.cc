// The dbt commands: build, run, test, seed, snapshot, compile, ls, docs generate, source freshness, parse.

#include "app/build.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace shoplake::cli {

namespace {

using app::ModelCommand;
using Kind = ModelCommand::Kind;

base::Result<int> run(const ModelCommand& command, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  app::ModelOutput output;
  output.as_json = context.json;
  const bool is_result = command.kind == Kind::ls;
  output.line = [&context, is_result](std::string_view text) {
    if (is_result) {
      context.print(std::string(text) + "\n");
    } else {
      context.say(text);
    }
  };
  output.json = [&context](std::string_view text) { context.print(std::string(text) + "\n"); };
  output.paint = [](app::ModelOutput::Tone tone, std::string_view text) {
    switch (tone) {
      case app::ModelOutput::Tone::good: return standard_output().styled(Style::good, text);
      case app::ModelOutput::Tone::warning: return standard_output().styled(Style::warning, text);
      case app::ModelOutput::Tone::bad: return standard_output().styled(Style::bad, text);
      case app::ModelOutput::Tone::dim: return standard_output().styled(Style::dim, text);
    }
    return std::string(text);
  };
  return app::run_models(*app, command, output, context.stop);
}

void add_project_options(CLI::App& command, ModelCommand& options) {
  command.add_option("--project-dir", options.project_directory, "folder of the dbt project (default: the home's)");
  command.add_option("--target", options.target, "name of the target, as target.name in templates")
      ->capture_default_str();
  command.add_option("--target-path", options.target_path,
                     "folder for manifest.json, run_results.json and compiled SQL");
  command.add_option("--vars", options.vars, "YAML mapping laid over the project's vars: '{lookback_days: 7}'");
}

void add_selection_options(CLI::App& command, ModelCommand& options) {
  command.add_option("-s,--select,-m,--models", options.select,
                     "nodes: name, +name, name+, tag:x, path:models/x, source:x, config.materialized:table …");
  command.add_option("--exclude", options.exclude, "nodes to leave out, in the same syntax");
  command
      .add_option("--indirect-selection", options.indirect_selection,
                  "which tests come with what they test: eager, cautious, buildable, empty")
      ->capture_default_str();
}

void add_run_options(CLI::App& command, ModelCommand& options) {
  command.add_option("--threads", options.threads, "nodes that run at the same time (default: the home's, else 2)")
      ->check(CLI::Range(1, 64));
  command.add_flag("-x,--fail-fast", options.fail_fast, "start nothing more after the first failure");
}

std::shared_ptr<ModelCommand> new_options(Kind kind) {
  auto options = std::make_shared<ModelCommand>();
  options->kind = kind;
  return options;
}

void finish_command(CLI::App& command, const std::shared_ptr<ModelCommand>& options, Context& context,
                    const char* footer) {
  command.footer(footer);
  command.callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace

void add_build(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::build);
  CLI::App& command =
      *root.add_subcommand("build", "seeds, models, snapshots and tests of the dbt project, in graph order");
  add_selection_options(command, *options);
  command.add_option("--resource-type", options->resource_types, "only these: model, seed, snapshot, test, unit_test");
  command.add_option("--exclude-resource-type", options->exclude_resource_types, "all but these");
  command.add_flag("-f,--full-refresh", options->full_refresh,
                   "build everything, also what has not changed, and incremental models anew");
  command.add_flag("--rebuild", options->rebuild, "build and test also what has not changed");
  command.add_flag("--store-failures", options->store_failures, "keep the rows that fail a test as a table");
  add_run_options(command, *options);
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Examples:\n  shoplake build\n  shoplake build --select +mart_attribution_comparison --threads 4\n\n"
                 "Exit codes: 0 all done, 1 a model or test failed, 2 the project or the command is wrong");
}

void add_run(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::run);
  CLI::App& command = *root.add_subcommand("run", "the models of the dbt project, without tests");
  add_selection_options(command, *options);
  command.add_flag("-f,--full-refresh", options->full_refresh,
                   "build everything, also what has not changed, and incremental models anew");
  command.add_flag("--rebuild", options->rebuild, "build and test also what has not changed");
  add_run_options(command, *options);
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Example:\n  shoplake run --select stg_ga4_sessions+ --full-refresh\n\nExit codes: 0 all done, 1 a "
                 "model failed, 2 the project or the command is wrong");
}

void add_test(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::test);
  CLI::App& command = *root.add_subcommand("test", "the data tests and unit tests of the dbt project");
  add_selection_options(command, *options);
  command.add_flag("--store-failures", options->store_failures, "keep the rows that fail a test as a table");
  add_run_options(command, *options);
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Examples:\n  shoplake test\n  shoplake test --select fact_sessions,test_type:generic\n\nExit codes: "
                 "0 all passed, 1 a test failed, 2 the project or the command is wrong");
}

void add_seed(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::seed);
  CLI::App& command = *root.add_subcommand("seed", "the CSV files of the dbt project into tables");
  add_selection_options(command, *options);
  command.add_flag("-f,--full-refresh", options->full_refresh, "accepted for dbt's sake: seeds are always replaced");
  add_run_options(command, *options);
  add_project_options(command, *options);
  finish_command(
      command, options, context,
      "Example:\n  shoplake seed\n\nExit codes: 0 all done, 1 a seed failed, 2 the project or the command is wrong");
}

void add_snapshot(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::snapshot);
  CLI::App& command =
      *root.add_subcommand("snapshot", "the snapshots of the dbt project: versions of what has changed");
  add_selection_options(command, *options);
  add_run_options(command, *options);
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Example:\n  shoplake snapshot --select product_prices\n\nExit codes: 0 all done, 1 a snapshot "
                 "failed, 2 the project or the command is wrong");
}

void add_compile(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::compile);
  CLI::App& command = *root.add_subcommand("compile", "the SQL of models and tests, without running them");
  add_selection_options(command, *options);
  command.add_flag("-f,--full-refresh", options->full_refresh, "compile incremental models as for a first build");
  command
      .add_option("--threads", options->threads,
                  "nodes that are compiled at the same time (default: the home's, else 2)")
      ->check(CLI::Range(1, 64));
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Example:\n  shoplake compile --select int_user_journeys\n\nExit codes: 0 done, 1 a template failed, "
                 "2 the project or the command is wrong");
}

void add_ls(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::ls);
  CLI::App& command = *root.add_subcommand("ls", "the nodes of the dbt project that a selection means");
  command.alias("list");
  add_selection_options(command, *options);
  command.add_option("--resource-type", options->resource_types,
                     "only these: model, seed, snapshot, test, unit_test, source, exposure, analysis");
  command.add_option("--exclude-resource-type", options->exclude_resource_types, "all but these");
  command.add_option("--output", options->list_output, "selector, name, path or json")->capture_default_str();
  add_project_options(command, *options);
  finish_command(command, options, context,
                 "Examples:\n  shoplake ls --select +mart_channel_performance\n  shoplake ls --resource-type source "
                 "--output json\n\nExit codes: 0 done, 2 the project or the command is wrong");
}

void add_docs(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::docs);
  CLI::App& command = *root.add_subcommand(
      "docs", "manifest.json and catalog.json: what the models are and what their tables look like");
  add_selection_options(command, *options);
  command.add_flag("!--no-compile", options->compile_docs, "leave the compiled SQL out");
  add_project_options(command, *options);
  CLI::App* generate = command.add_subcommand("generate", "the same, as dbt spells it");
  generate->fallthrough();
  finish_command(command, options, context,
                 "Example:\n  shoplake docs generate\n\nExit codes: 0 done, 1 a template failed, 2 the project or the "
                 "command is wrong");
}

void add_source(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::freshness);
  CLI::App& command = *root.add_subcommand("source", "the sources of the dbt project");
  command.require_subcommand(1);
  CLI::App& freshness = *command.add_subcommand("freshness", "how old the sources are, against their rules");
  add_selection_options(freshness, *options);
  add_project_options(freshness, *options);
  finish_command(freshness, options, context,
                 "Example:\n  shoplake source freshness\n\nExit codes: 0 all fresh, 1 a source is too old, 2 the "
                 "project or the command is wrong");
  command.footer("Example:\n  shoplake source freshness --select source:processed");
}

void add_parse(CLI::App& root, Context& context) {
  const auto options = new_options(Kind::parse);
  CLI::App& command = *root.add_subcommand("parse", "read the dbt project and write its manifest.json");
  add_project_options(command, *options);
  finish_command(command, options, context, "Example:\n  shoplake parse\n\nExit codes: 0 done, 2 the project is wrong");
}

}  // namespace shoplake::cli
