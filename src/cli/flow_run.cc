// shoplake flow start|stop|backfill: executions are begun, waited for and stopped.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/flows/backfill.h"
#include "app/flows/operations.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/flow_view.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string flow, file, input = "{}", name;
  std::string error, cause;
  std::string from, to;
  int at_once = 1;
  bool again = false;
  bool wait = false;
};

base::Error interrupted(const std::string& flow, const std::string& name) {
  return base::make_error(base::ErrorKind::cancelled, "flow.interrupted",
                          fmt::format("nobody waits any more for {}/{}, which has not ended", flow, name),
                          "It goes on where it is when flows run again: in `shoplake serve`, or by the same command.");
}

int say_end(const flow::ExecutionRow& row, Context& context) {
  const bool is_good = row.status == flow::ExecutionStatus::succeeded;
  if (context.json) {
    context.print(execution_as_json(row));
  } else {
    context.say(fmt::format("{}: {} in {}{}     next: shoplake flow status {} {}", is_good ? "done" : "failed",
                            styled_status(row), format_elapsed(row, row.started_micros),
                            is_good ? "" : ": " + failure_in_words(row), row.flow, row.name));
  }
  return is_good ? 0 : base::exit_code(base::ErrorKind::failed);
}

base::Result<int> wait(app::App& app, const std::string& flow, const std::string& name, Context& context) {
  FlowView view(context);
  app::WaitForExecution request;
  request.flow = flow;
  request.name = name;
  request.stop = context.stop;
  if (!context.json && !context.quiet) {
    request.on_event = [&view](const flow::Json& event) { view.take(event); };
    request.on_pause = [&view] { view.draw(); };
  }
  const auto ended = app::wait_for_execution(app, request);
  view.erase();
  if (!ended.ok())
    return ended.error();
  if (!*ended)
    return interrupted(flow, name);
  return say_end(**ended, context);
}

base::Result<int> start(const Options& options, Context& context) {
  if (options.flow.empty() && options.file.empty()) {
    return base::make_error(base::ErrorKind::usage, "flow.no_name", "no flow is named",
                            "Name one of `shoplake flow ls`, or give --file.");
  }
  app::App* app = SHOPLAKE_TRY(context.app());
  app::StartFlow request;
  request.flow = options.flow;
  request.file = options.file;
  request.name = options.name;
  request.input = options.input;
  const app::StartedFlow started = SHOPLAKE_TRY(app::start_flow(*app, request));
  const std::string& name = started.execution.name;
  context.say(fmt::format("flow {}: execution {}{}", standard_output().styled(Style::bold, started.flow), name,
                          started.execution.is_new ? "" : " was started before"));
  if (options.wait)
    return wait(*app, started.flow, name, context);
  const bool is_running = SHOPLAKE_TRY(app::somebody_runs_flows(*app));
  if (context.json) {
    context.print(fmt::format(R"({{"flow":{},"name":{},"is_new":{},"runs":{}}})", json_quoted(started.flow),
                              json_quoted(name), started.execution.is_new, is_running));
  } else if (!is_running) {
    context.say("it waits: nobody runs the flows of this home     next: shoplake serve, or the same with --wait");
  } else {
    context.say(fmt::format("next: shoplake flow status {} {}", started.flow, name));
  }
  return 0;
}

base::Result<int> stop(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  flow::StateFailure failure;
  if (!options.error.empty())
    failure.error = options.error;
  if (!options.cause.empty())
    failure.cause = options.cause;
  const flow::ExecutionRow row = SHOPLAKE_TRY(app::stop_execution(*app, options.flow, options.name, failure));
  if (row.status != flow::ExecutionStatus::running) {
    context.say(fmt::format("{}/{} has ended: {}", row.flow, row.name, styled_status(row)));
    if (context.json)
      context.print(execution_as_json(row));
    return 0;
  }
  // Whoever runs it stops it; if nobody does, this process.
  app::WaitForExecution request;
  request.flow = row.flow;
  request.name = row.name;
  request.stop = context.stop;
  const auto ended = SHOPLAKE_TRY(app::wait_for_execution(*app, request));
  if (!ended)
    return interrupted(row.flow, row.name);
  if (context.json)
    context.print(execution_as_json(*ended));
  else
    context.say(fmt::format("{}/{}: {}", row.flow, row.name, styled_status(*ended)));
  return 0;
}

base::Result<int> backfill(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  app::Backfill request;
  request.flow = options.flow;
  request.file = options.file;
  request.first_day = options.from;
  request.last_day = options.to;
  request.input = options.input;
  request.at_once = options.at_once;
  request.again = options.again;
  request.stop = context.stop;
  request.progress = &context.progress();
  request.on_begin = [&](const std::string& flow, std::int64_t days) {
    context.say(fmt::format("backfill {}: {}, {} to {}", flow, format_noun(days, "day"), options.from, options.to));
  };
  request.on_day = [&](const app::BackfillDay& day) {
    const bool is_good = day.execution.status == flow::ExecutionStatus::succeeded;
    const std::string what = day.is_new ? "" : is_good ? "   done before, skipped" : "";
    context.say(fmt::format("  {}  {}  {:>8}{}{}", day.date, styled_status(day.execution),
                            format_elapsed(day.execution, day.execution.started_micros), what,
                            is_good ? "" : "   " + failure_in_words(day.execution)));
  };
  const app::BackfillReport report = SHOPLAKE_TRY(app::backfill_flow(*app, request));
  const int exit_code = report.failed > 0 ? base::exit_code(base::ErrorKind::failed) : 0;
  if (context.json) {
    context.print(fmt::format(R"({{"flow":{},"succeeded":{},"failed":{},"skipped":{},"not_run":{},"exit_code":{}}})",
                              json_quoted(report.flow), report.succeeded, report.failed, report.skipped, report.not_run,
                              exit_code));
  } else {
    context.say(fmt::format("{}: {} succeeded, {} failed, {} done before{}", exit_code == 0 ? "done" : "failed",
                            format_count(report.succeeded), format_count(report.failed), format_count(report.skipped),
                            report.not_run > 0 ? fmt::format(", {} not run", format_count(report.not_run)) : ""));
  }
  if (report.not_run > 0 && context.stop.stop_requested()) {
    return base::make_error(base::ErrorKind::cancelled, "flow.interrupted", "the backfill was interrupted",
                            "The same command goes on with the days that are left.");
  }
  return exit_code;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 1 an execution failed; 2 there is no such flow, or its definition or input is wrong; 4 "
    "disk or "
    "permission; 130 interrupted.";

}  // namespace

void add_flow_run(CLI::App& command, Context& context) {
  auto options = std::make_shared<Options>();
  auto* start_command =
      command.add_subcommand("start", "begins an execution; `shoplake serve` runs it, or this command with --wait");
  start_command->add_option("flow", options->flow, "its name; with --file, another name for it")->type_name("FLOW");
  start_command->add_option("--file", options->file, "a definition that is not among the flows");
  start_command->add_option("--input", options->input, "a JSON document");
  start_command->add_option("--name", options->name,
                            "of the execution: starting one of the same name twice is starting it once");
  start_command->add_flag("--wait", options->wait, "shows the states as they end, and exits with 1 if it fails");
  start_command->footer(
      std::string("Examples:\n"
                  "  shoplake flow start shop_batch --wait\n"
                  "  shoplake flow start ga4_daily --input '{\"date\": \"2026-11-20\"}' --name ga4-2026-11-20") +
      kExitCodes);
  start_command->callback([options, &context] { context.finish(start(*options, context)); });

  auto* stop_command = command.add_subcommand("stop", "ends an execution as ABORTED; its tasks are asked to stop");
  stop_command->add_option("flow", options->flow, "the flow")->required()->type_name("FLOW");
  stop_command->add_option("execution", options->name, "its name; the newest if absent")->type_name("EXECUTION");
  stop_command->add_option("--error", options->error, "kept as its error");
  stop_command->add_option("--cause", options->cause, "kept as its cause");
  stop_command->footer(std::string("Example:\n  shoplake flow stop shop_batch --cause 'wrong files'") + kExitCodes);
  stop_command->callback([options, &context] { context.finish(stop(*options, context)); });

  auto* backfill_command = command.add_subcommand("backfill", "runs a flow once for each day of a range");
  backfill_command->add_option("flow", options->flow, "its name")->type_name("FLOW");
  backfill_command->add_option("--file", options->file, "a definition that is not among the flows");
  backfill_command->add_option("--from", options->from, "the first day, YYYY-MM-DD")->required();
  backfill_command->add_option("--to", options->to, "the last day, YYYY-MM-DD")->required();
  backfill_command->add_option("--input", options->input,
                               "a JSON object; each execution gets it with a member \"date\"");
  backfill_command->add_option("--at-once", options->at_once, "so many days beside each other")
      ->check(CLI::Range(1, 64));
  backfill_command->add_flag("--again", options->again, "also days that succeeded before");
  backfill_command->footer(
      std::string(
          "Example:\n  shoplake flow backfill ga4_daily --from 2026-11-01 --to 2026-11-20\n\nDays that succeeded "
          "before are skipped, days that failed run again.") +
      kExitCodes);
  backfill_command->callback([options, &context] { context.finish(backfill(*options, context)); });
}

}  // namespace shoplake::cli
