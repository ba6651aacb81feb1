#include "app/flows/operations.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/flow.h"
#include "app/flows/runner.h"

namespace shoplake::app {

using base::ErrorKind;
using base::make_error;
using base::Result;

namespace {

constexpr std::int64_t kEventsAtOnce = 1'000;
constexpr std::chrono::milliseconds kLookInterval{50};

Result<std::unique_ptr<flow::Store>> open_store(App& app) { return flow::Store::open(app.home().control_plane); }

}  // namespace

Result<std::vector<FlowSummary>> list_flows(App& app) {
  const auto store = SHOPLAKE_TRY(open_store(app));
  std::vector<FlowSummary> all;
  for (FlowFile& file : SHOPLAKE_TRY(list_flow_files(app))) {
    FlowSummary& summary = all.emplace_back();
    summary.file = std::move(file);
    if (const auto text = read_flow_file(app.env(), summary.file.path); !text.ok()) {
      summary.problem = text.error().message;
    } else {
      const flow::CheckedDefinition checked = flow::check_definition_text(*text);
      if (!checked.findings.empty())
        summary.problem = fmt::format("{}: {}", checked.findings.front().path, checked.findings.front().message);
      if (checked.machine) {
        summary.comment = checked.machine->comment;
        summary.states = count_states(*checked.machine);
      }
    }
    flow::ExecutionFilter filter{.flow = summary.file.flow, .status = {}, .rows_max = 1};
    if (auto last = SHOPLAKE_TRY(store->list(filter)); !last.empty())
      summary.last = std::move(last.front());
    filter.status = flow::ExecutionStatus::running;
    filter.rows_max = 1'000;
    summary.running = static_cast<std::int64_t>(SHOPLAKE_TRY(store->list(filter)).size());
  }
  return all;
}

Result<FlowDescription> describe_flow(App& app, const std::string& flow, const std::string& file) {
  FlowDescription description;
  if (file.empty()) {
    description.file = SHOPLAKE_TRY(find_flow_file(app, flow));
  } else {
    description.file.flow = flow.empty() ? SHOPLAKE_TRY(flow_name_of(file)) : flow;
    description.file.path = file;
    description.file.is_own = true;
  }
  description.definition = SHOPLAKE_TRY(read_flow_file(app.env(), description.file.path));
  flow::CheckedDefinition checked = flow::check_definition_text(description.definition);
  description.machine = std::move(checked.machine);
  description.findings = std::move(checked.findings);
  return description;
}

Result<StartedFlow> start_flow(App& app, const StartFlow& request) {
  FlowDescription description = SHOPLAKE_TRY(describe_flow(app, request.flow, request.file));
  SHOPLAKE_TRY(check_flow_name(description.file.flow));
  if (!request.name.empty())
    SHOPLAKE_TRY(check_flow_name(request.name));
  const auto store = SHOPLAKE_TRY(open_store(app));
  flow::StartRequest start;
  start.flow = description.file.flow;
  start.name = request.name;
  start.definition = std::move(description.definition);
  start.input = request.input;
  start.started_by = request.started_by;
  auto started = SHOPLAKE_TRY(flow::start_execution(*store, app.env(), start).within(description.file.path));
  return StartedFlow{std::move(start.flow), std::move(started)};
}

Result<flow::ExecutionRow> find_execution(App& app, const std::string& flow, const std::string& name) {
  const auto store = SHOPLAKE_TRY(open_store(app));
  if (!name.empty())
    return store->find(flow, name);
  auto newest = SHOPLAKE_TRY(store->list({.flow = flow, .status = {}, .rows_max = 1}));
  if (!newest.empty())
    return std::move(newest.front());
  if (const auto file = find_flow_file(app, flow); !file.ok())
    return file.error();
  return make_error(ErrorKind::not_found, "flow.no_such_execution", fmt::format("flow {} has not run yet", flow),
                    fmt::format("`shoplake flow start {} --wait` runs it.", flow));
}

Result<std::vector<flow::ExecutionRow>> list_executions(App& app, const flow::ExecutionFilter& filter) {
  return SHOPLAKE_TRY(open_store(app))->list(filter);
}

Result<flow::ExecutionRow> stop_execution(App& app, const std::string& flow, const std::string& name,
                                          const flow::StateFailure& failure) {
  flow::ExecutionRow row = SHOPLAKE_TRY(find_execution(app, flow, name));
  SHOPLAKE_TRY(SHOPLAKE_TRY(open_store(app))->request_stop(row.id, failure));
  return row;
}

Result<std::vector<flow::Json>> execution_history(App& app, std::int64_t execution, std::int64_t after,
                                                  std::int64_t rows_max) {
  return SHOPLAKE_TRY(open_store(app))->history(execution, after, rows_max);
}

Result<std::optional<flow::ExecutionRow>> wait_for_execution(App& app, const WaitForExecution& request) {
  const auto store = SHOPLAKE_TRY(open_store(app));
  std::unique_ptr<FlowRunner> own;
  std::unique_ptr<FlowRunner>& runner = request.runner != nullptr ? *request.runner : own;
  if (runner)
    runner->wake();
  std::int64_t seen = 0;
  std::mutex mutex;
  std::condition_variable_any never;
  while (true) {
    if (!runner)
      runner = SHOPLAKE_TRY(FlowRunner::try_open(app, {}));
    // The row first: when it has ended, all events are there.
    flow::ExecutionRow row = SHOPLAKE_TRY(store->find(request.flow, request.name));
    bool is_news = request.on_event != nullptr;
    while (is_news) {
      const auto events = SHOPLAKE_TRY(store->history(row.id, seen, kEventsAtOnce));
      for (const flow::Json& event : events) {
        seen = event["id"].get<std::int64_t>();
        request.on_event(event);
      }
      is_news = std::cmp_equal(events.size(), kEventsAtOnce);
    }
    if (row.status != flow::ExecutionStatus::running)
      return std::optional(std::move(row));
    if (request.stop.stop_requested())
      return std::optional<flow::ExecutionRow>();
    if (request.on_pause)
      request.on_pause();
    std::unique_lock guard(mutex);
    never.wait_for(guard, request.stop, kLookInterval, [] { return false; });
  }
}

Result<bool> somebody_runs_flows(App& app) { return FlowRunner::is_running(app); }

}  // namespace shoplake::app
