// shoplake flow ls|show|status|history: what flows there are, and what became of their executions.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/flows/operations.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/flow_view.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string flow, execution, file, status;
  std::int64_t rows = 20;
  std::int64_t after = 0;
};

constexpr std::int64_t kEventsMax = 1'000;  // as GetExecutionHistory gives at once

// ── ls ────────────────────────────────────────────────────────────────────────────────────────────────────────────

std::string summary_as_json(const app::FlowSummary& flow) {
  return fmt::format(
      R"({{"flow":{},"path":{},"is_own":{},"comment":{},"states":{},"problem":{},"running":{},"last":{}}})",
      json_quoted(flow.file.flow), json_quoted(flow.file.path), flow.file.is_own, json_quoted(flow.comment),
      flow.states, flow.problem.empty() ? "null" : json_quoted(flow.problem), flow.running,
      flow.last ? execution_as_json(*flow.last) : "null");
}

base::Result<int> list(Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const auto flows = SHOPLAKE_TRY(app::list_flows(*app));
  if (context.json) {
    std::string text;
    for (const app::FlowSummary& flow : flows)
      text += (text.empty() ? "" : ",") + summary_as_json(flow);
    context.print("{\"flows\":[" + text + "]}");
    return 0;
  }
  Table table(
      {{"flow"}, {"states", Align::right}, {"running", Align::right}, {"last run"}, {"status"}, {"what it does"}});
  for (const app::FlowSummary& flow : flows) {
    table.add_row({flow.file.flow, format_count(static_cast<std::int64_t>(flow.states)), format_count(flow.running),
                   flow.last ? format_moment(flow.last->started_micros) : "never",
                   flow.last ? styled_status(*flow.last) : "",
                   flow.problem.empty() ? flow.comment : standard_output().styled(Style::bad, flow.problem)});
  }
  context.say(table.render(standard_output()));
  return 0;
}

// ── show ──────────────────────────────────────────────────────────────────────────────────────────────────────────

std::string goes_on(const flow::State& state) {
  std::string text = state.next ? "→ " + *state.next : "";
  for (const flow::Choice& choice : state.choices)
    text += (text.empty() ? "→ " : ", ") + choice.next;
  if (state.default_next)
    text += (text.empty() ? "→ " : ", ") + *state.default_next;
  for (const flow::Catcher& catcher : state.catchers) {
    std::string errors;
    for (const std::string& error : catcher.errors)
      errors += (errors.empty() ? "" : ", ") + error;
    text += fmt::format("{}{} → {}", text.empty() ? "" : "; ", errors, catcher.next);
  }
  return text.empty() ? "end" : text;
}

void add_states(const flow::StateMachine& machine, int depth, Table& table) {
  // In the order in which they are reached, the rest by name.
  std::vector<std::string> order{machine.start_at};
  const auto reach = [&](const std::string& name) {
    if (std::ranges::find(order, name) == order.end())
      order.push_back(name);
  };
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto found = machine.states.find(order[i]);
    if (found == machine.states.end())
      continue;
    const flow::State& state = found->second;
    if (state.next)
      reach(*state.next);
    for (const flow::Choice& choice : state.choices)
      reach(choice.next);
    if (state.default_next)
      reach(*state.default_next);
    for (const flow::Catcher& catcher : state.catchers)
      reach(catcher.next);
  }
  for (const std::string& name : order) {
    const auto found = machine.states.find(name);
    if (found == machine.states.end())
      continue;
    const flow::State& state = found->second;
    table.add_row({std::string(static_cast<std::size_t>(2 * depth), ' ') + name, std::string(flow::name(state.type)),
                   state.resource, goes_on(state)});
    for (const auto& branch : state.branches)
      add_states(*branch, depth + 1, table);
  }
}

base::Result<int> show(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const app::FlowDescription flow = SHOPLAKE_TRY(app::describe_flow(*app, options.flow, options.file));
  const int exit_code = flow.findings.empty() ? 0 : base::exit_code(base::ErrorKind::usage);
  if (context.json) {
    std::string findings;
    for (const flow::Finding& finding : flow.findings)
      findings += fmt::format(R"({}{{"path":{},"message":{}}})", findings.empty() ? "" : ",", json_quoted(finding.path),
                              json_quoted(finding.message));
    const flow::Json definition = flow::Json::parse(flow.definition, nullptr, false);
    context.print(fmt::format(R"({{"flow":{},"path":{},"is_own":{},"findings":[{}],"definition":{}}})",
                              json_quoted(flow.file.flow), json_quoted(flow.file.path), flow.file.is_own, findings,
                              definition.is_discarded() ? "null" : definition.dump()));
    return exit_code;
  }
  context.say(fmt::format("{}   {}", standard_output().styled(Style::bold, flow.file.flow), flow.file.path));
  for (const flow::Finding& finding : flow.findings)
    context.say(fmt::format("  {}: {}", finding.path, finding.message));
  if (flow.machine) {
    if (!flow.machine->comment.empty())
      context.say(flow.machine->comment);
    Table table({{"state"}, {"type"}, {"resource"}, {"goes on"}});
    add_states(*flow.machine, 0, table);
    context.say(table.render(standard_output()));
  }
  return exit_code;
}

// ── status ────────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<std::optional<flow::ExecutionStatus>> parse_status(const std::string& text) {
  if (text.empty())
    return std::optional<flow::ExecutionStatus>();
  for (const auto status :
       {flow::ExecutionStatus::running, flow::ExecutionStatus::succeeded, flow::ExecutionStatus::failed,
        flow::ExecutionStatus::timed_out, flow::ExecutionStatus::aborted}) {
    if (flow::name(status) == text)
      return std::optional(status);
  }
  return base::make_error(base::ErrorKind::usage, "flow.bad_status", fmt::format("there is no status {}", text),
                          "It is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.");
}

void say_execution(const flow::ExecutionRow& row, std::int64_t now_micros, Context& context) {
  context.say(fmt::format("{}/{}   {}   {}", row.flow, row.name, styled_status(row), format_elapsed(row, now_micros)));
  context.say(fmt::format("  started  {} by {}", format_moment(row.started_micros), row.started_by));
  if (row.ended_micros)
    context.say(fmt::format("  ended    {}", format_moment(*row.ended_micros)));
  context.say(fmt::format("  input    {}", shortened(row.input, 1'000)));
  if (row.output)
    context.say(fmt::format("  output   {}", shortened(*row.output, 1'000)));
  if (row.error)
    context.say(fmt::format("  error    {}", *row.error));
  if (row.cause)
    context.say(fmt::format("  cause    {}", *row.cause));
}

base::Result<int> status(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const std::int64_t now = app->env().now_micros();
  if (!options.execution.empty()) {
    const flow::ExecutionRow row = SHOPLAKE_TRY(app::find_execution(*app, options.flow, options.execution));
    if (context.json)
      context.print(execution_as_json(row));
    else
      say_execution(row, now, context);
    return 0;
  }
  flow::ExecutionFilter filter;
  filter.flow = options.flow;
  filter.status = SHOPLAKE_TRY(parse_status(options.status));
  filter.rows_max = options.rows;
  const auto rows = SHOPLAKE_TRY(app::list_executions(*app, filter));
  if (context.json) {
    std::string text;
    for (const flow::ExecutionRow& row : rows)
      text += (text.empty() ? "" : ",") + execution_as_json(row);
    context.print("{\"executions\":[" + text + "]}");
    return 0;
  }
  if (rows.empty()) {
    if (!options.flow.empty())
      (void)SHOPLAKE_TRY(app::find_execution(*app, options.flow, ""));  // says which flows there are
    context.say("no flow has run yet; `shoplake flow ls` lists them");
    return 0;
  }
  Table table({{"flow"}, {"execution"}, {"status"}, {"started"}, {"took", Align::right}, {"by"}, {"error"}});
  for (const flow::ExecutionRow& row : rows) {
    table.add_row({row.flow, row.name, styled_status(row), format_moment(row.started_micros), format_elapsed(row, now),
                   row.started_by, failure_in_words(row)});
  }
  context.say(table.render(standard_output()));
  return 0;
}

// ── history ───────────────────────────────────────────────────────────────────────────────────────────────────────

std::string subject_of(const flow::Json& event) {
  for (const auto& [name, details] : event.items()) {
    if (!name.ends_with("EventDetails") || !details.is_object())
      continue;
    std::string text;
    for (const char* member : {"name", "resource", "error", "cause"}) {
      if (const auto found = details.find(member); found != details.end() && found->is_string())
        text += (text.empty() ? "" : "  ") + found->get<std::string>();
    }
    return text;
  }
  return "";
}

base::Result<int> history(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const flow::ExecutionRow row = SHOPLAKE_TRY(app::find_execution(*app, options.flow, options.execution));
  const auto events = SHOPLAKE_TRY(app::execution_history(*app, row.id, options.after, kEventsMax));
  const bool has_more = std::cmp_equal(events.size(), kEventsMax);
  if (context.json) {
    std::string text;
    for (const flow::Json& event : events)
      text += (text.empty() ? "" : ",") + event.dump(-1, ' ', false, flow::Json::error_handler_t::replace);
    context.print(fmt::format(R"({{"flow":{},"name":{},"events":[{}],"nextToken":{}}})", json_quoted(row.flow),
                              json_quoted(row.name), text,
                              has_more ? std::to_string(events.back()["id"].get<std::int64_t>()) : "null"));
    return 0;
  }
  context.say(fmt::format("{}/{}   {}", row.flow, row.name, styled_status(row)));
  Table table({{"event", Align::right}, {"after", Align::right}, {"time"}, {"type"}, {"what"}});
  for (const flow::Json& event : events) {
    table.add_row({std::to_string(event["id"].get<std::int64_t>()),
                   std::to_string(event["previousEventId"].get<std::int64_t>()), event.value("timestamp", ""),
                   event.value("type", ""), subject_of(event)});
  }
  context.say(table.render(standard_output()));
  if (has_more)
    context.say(fmt::format("more: --after {}", events.back()["id"].get<std::int64_t>()));
  return 0;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 2 there is no such flow or execution, or its definition is wrong; 4 disk or permission.";

}  // namespace

void add_flow_show(CLI::App& command, Context& context) {
  auto options = std::make_shared<Options>();
  auto* ls = command.add_subcommand("ls", "the flows of the home and of shoplake, with their last execution");
  ls->footer(std::string("Example:\n  shoplake flow ls") + kExitCodes);
  ls->callback([&context] { context.finish(list(context)); });

  auto* show_command = command.add_subcommand("show", "the states of a flow and how they follow each other");
  show_command->add_option("flow", options->flow, "its name")->type_name("FLOW");
  show_command->add_option("--file", options->file, "a definition elsewhere");
  show_command->footer(std::string("Example:\n  shoplake flow show shop_batch") + kExitCodes);
  show_command->callback([options, &context] { context.finish(show(*options, context)); });

  auto* status_command = command.add_subcommand("status", "executions, newest first, or one of them");
  status_command->add_option("flow", options->flow, "only this flow")->type_name("FLOW");
  status_command->add_option("execution", options->execution, "only this execution, with input and output")
      ->type_name("EXECUTION");
  status_command->add_option("--status", options->status, "only RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED");
  status_command->add_option("--rows", options->rows, "at most so many")->check(CLI::Range(1, 10'000));
  status_command->footer(
      std::string("Examples:\n  shoplake flow status\n  shoplake flow status shop_batch --status FAILED") + kExitCodes);
  status_command->callback([options, &context] { context.finish(status(*options, context)); });

  auto* history_command =
      command.add_subcommand("history", "the events of an execution, as GetExecutionHistory has them");
  history_command->add_option("flow", options->flow, "the flow")->required()->type_name("FLOW");
  history_command->add_option("execution", options->execution, "its name; the newest if absent")
      ->type_name("EXECUTION");
  history_command->add_option("--after", options->after, "only events after this one")->check(CLI::NonNegativeNumber);
  history_command->footer(std::string("Example:\n  shoplake flow history shop_batch --json") + kExitCodes);
  history_command->callback([options, &context] { context.finish(history(*options, context)); });
}

}  // namespace shoplake::cli
