// shoplake's entry: the explicit list of commands, what holds for each of them, and how a usage error is told.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/audit.h"
#include "app/cost.h"
#include "base/log.h"
#include "base/nearest_name.h"
#include "cli/audited.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

// Read by jemalloc before anything else: few arenas, and memory that is not used any more goes back to the system
// within a second, by a thread of its own. The environment's MALLOC_CONF goes before it.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0";
// The same of the jemalloc that DuckDB brings for its blocks; its own setting keeps what is free for ten seconds, in an
// arena for each core.
extern "C" const char* duckdb_je_malloc_conf_2_conf_harder;
const char* duckdb_je_malloc_conf_2_conf_harder = "narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0";

namespace shoplake::cli {

namespace {

struct Command {
  const char* group;
  void (*add)(CLI::App& root, Context& context);
};

// In the order of the help text.
const Command kCommands[] = {
    {"Try it", add_demo},
    {"Try it", add_generate},
    {"Data in", add_load},
    {"Data in", add_ingest},
    {"Data in", add_ga4},
    {"Data in", add_quarantine},
    {"Data in", add_replay},
    {"Data in", add_contract},
    {"Models (the dbt project)", add_build},
    {"Models (the dbt project)", add_run},
    {"Models (the dbt project)", add_test},
    {"Models (the dbt project)", add_seed},
    {"Models (the dbt project)", add_snapshot},
    {"Models (the dbt project)", add_source},
    {"Models (the dbt project)", add_compile},
    {"Models (the dbt project)", add_ls},
    {"Models (the dbt project)", add_docs},
    {"Models (the dbt project)", add_parse},
    {"Answers", add_query},
    {"Answers", add_serve},
    {"The lake", add_catalog},
    {"The lake", add_warehouse},
    {"The lake", add_quality},
    {"The lake", add_inspect},
    {"Flows", add_flow},
    {"Operations", add_alarm},
    {"Operations", add_topic},
    {"Operations", add_cost},
    {"Operations", add_audit},
    {"Set-up", add_init},
    {"Set-up", add_doctor},
    {"Set-up", add_completion},
};

constexpr const char* kDescription =
    "shoplake: an online shop's raw events into trusted sessions, funnels, retention and attribution, on Apache "
    "Iceberg tables";

constexpr const char* kFooter =
    "Examples:\n"
    "  shoplake demo                                         the whole pipeline on generated events\n"
    "  shoplake load events ga4_export.ndjson.gz             a GA4 BigQuery export into the lake\n"
    "  shoplake build                                        models and tests, in graph order\n"
    "  shoplake query \"select * from marts.mart_attribution_comparison\"\n"
    "  shoplake serve                                        dashboard and Iceberg REST catalog\n"
    "\n"
    "State lives in $SHOPLAKE_HOME (default ./shoplake-data). shoplake COMMAND --help says more.";

// --json, --quiet and --verbose are understood before and after the command's name and by each of its subcommands.
void add_common_options(CLI::App& command, Context& context) {
  const auto add = [&](const char* name, bool& flag, const char* description) {
    if (command.get_option_no_throw(std::string("--") + name) == nullptr) {
      command.add_flag(std::string("--") + name, flag, description)->group(kEverywhere);
    }
  };
  add("json", context.json, "one JSON object on standard output instead of text");
  add("quiet", context.quiet, "errors only");
  add("verbose", context.verbose, "what happens inside, as log lines on standard error");
  command.get_help_ptr()->description("this page")->group(kEverywhere);
  for (CLI::App* subcommand : command.get_subcommands([](const CLI::App*) { return true; })) {
    add_common_options(*subcommand, context);
  }
}

// The deepest command that the arguments name, and the first word in the place of a command that names none.
struct Place {
  const CLI::App* command;
  std::string unknown;
};

Place find_place(const CLI::App& root, const std::vector<std::string>& arguments) {
  Place place{&root, {}};
  for (const std::string& argument : arguments) {
    if (argument.starts_with("-")) {
      continue;
    }
    const std::vector<std::string> names = subcommand_names(*place.command);
    if (names.empty()) {
      break;
    }
    if (std::find(names.begin(), names.end(), argument) == names.end()) {
      place.unknown = argument;
      break;
    }
    place.command = place.command->get_subcommand(argument);
  }
  return place;
}

std::string name_of(const CLI::App& command) {
  return command.get_parent() == nullptr ? "shoplake" : name_of(*command.get_parent()) + " " + command.get_name();
}

// The nearest name, or the one that the given text begins.
std::string meant_name(std::string_view given, const std::vector<std::string>& names) {
  std::string meant = base::nearest_name(given, names);
  if (meant.empty() && given.size() >= 2) {
    const auto begun =
        std::find_if(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(given); });
    if (begun != names.end()) {
      meant = *begun;
    }
  }
  return meant;
}

base::Error usage_error(const CLI::App& root, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  const Place place = find_place(root, arguments);
  const std::string name = name_of(*place.command);
  if (!place.unknown.empty()) {
    const std::string meant = meant_name(place.unknown, subcommand_names(*place.command));
    return base::make_error(
        base::ErrorKind::usage, "cli.unknown_command", fmt::format("{} has no command \"{}\"", name, place.unknown),
        meant.empty() ? fmt::format("see `{} --help`", name) : fmt::format("did you mean `{} {}`?", name, meant));
  }
  const std::vector<std::string> options = option_names(*place.command);
  for (const std::string& argument : arguments) {
    const std::string option = argument.substr(0, argument.find('='));
    if (option.size() > 2 && option.starts_with("--") &&
        std::find(options.begin(), options.end(), option) == options.end()) {
      const std::string meant = meant_name(option, options);
      return base::make_error(
          base::ErrorKind::usage, "cli.unknown_option", fmt::format("{} has no option {}", name, option),
          meant.empty() ? fmt::format("see `{} --help`", name) : fmt::format("did you mean {}?", meant));
    }
  }
  return base::make_error(base::ErrorKind::usage, "cli.usage", fmt::format("{}: {}", name, error.what()),
                          fmt::format("see `{} --help`", name));
}

// A command that changes something, from its begin to its end: for the audit log and the ledger of costs.
class NotedCommand {
 public:
  // A home that cannot be opened is the command's to tell.
  void begin(const CLI::App& root, Context& context) {
    const auto command = audited_command(root);
    if (!command)
      return;
    const auto app = context.app();
    if (!app.ok())
      return;
    app_ = *app;
    action_ = command->action;
    began_micros_ = app_->env().monotonic_micros();
    audited_.emplace(*app_, audit::Action{"cli", app::account_name(), action_, command->object});
  }
  void end(const std::string& outcome) {
    if (app_ == nullptr)
      return;
    audited_->end(outcome);
    app::record_command_cost(*app_, action_, app_->env().monotonic_micros() - began_micros_);
  }

 private:
  app::App* app_ = nullptr;
  std::string action_;
  std::int64_t began_micros_ = 0;
  std::optional<app::AuditedAction> audited_;
};

int run(int argc, char** argv) {
  Context context;
  NotedCommand noted;
  CLI::App root(kDescription, "shoplake");
  root.formatter(make_help_formatter());
  root.option_defaults()->always_capture_default();
  root.set_version_flag("--version", "shoplake " SHOPLAKE_VERSION, "the version");
  for (const Command& command : kCommands) {
    const std::size_t before = subcommand_names(root).size();
    command.add(root, context);
    const auto all = root.get_subcommands([](const CLI::App*) { return true; });
    for (std::size_t added = before; added < all.size(); ++added) {
      all[added]->group(command.group);
    }
  }
  root.footer(kFooter);  // not before: commands take their parent's
  root.require_subcommand(0, 1);
  add_common_options(root, context);

  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::optional<InterruptGuard> interrupts;
  root.parse_complete_callback([&] {
    using base::log::Level;
    base::log::configure(context.verbose ? Level::debug
                         : context.quiet ? Level::error
                                         : Level::warning,
                         !standard_error().interactive);
    interrupts.emplace(!context.quiet && standard_error().interactive);
    context.stop = interrupts->token();
    noted.begin(root, context);
  });
  try {
    if (arguments.empty()) {
      std::fputs(root.help().c_str(), stdout);
      return 0;
    }
    root.parse(argc, argv);
    if (root.get_subcommands().empty()) {
      throw CLI::RequiredError("a command");
    }
  } catch (const CLI::CallForHelp&) {
    std::fputs(find_place(root, arguments).command->help().c_str(), stdout);
    return 0;
  } catch (const CLI::CallForAllHelp&) {
    std::fputs(root.help().c_str(), stdout);
    return 0;
  } catch (const CLI::CallForVersion& version) {
    std::printf("%s\n", version.what());
    return 0;
  } catch (const CLI::ParseError& error) {
    context.json = context.json || std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    context.finish(usage_error(root, arguments, error));
  } catch (const std::exception& error) {
    context.finish(base::make_error(base::ErrorKind::internal, "cli.exception",
                                    fmt::format("an unexpected exception: {}", error.what()),
                                    "this is a defect of shoplake; please report the command and this message"));
  }
  noted.end(context.outcome_code);
  if (std::fflush(stdout) != 0 && context.exit_code == 0) {
    context.finish(base::make_error(base::ErrorKind::environment, "cli.output_failed",
                                    "standard output could not be written", "check the disk or pipe that it goes to"));
  }
  return context.exit_code;
}

}  // namespace

}  // namespace shoplake::cli

int main(int argc, char** argv) { return shoplake::cli::run(argc, argv); }
