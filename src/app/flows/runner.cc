#include "app/flows/runner.h"

#include <mutex>
#include <utility>

#include "app/flows/operations.h"
#include "app/flows/task_registry.h"
#include "app/flows/topic_publisher.h"
#include "app/flows/triggers.h"
#include "base/log.h"
#include "io/env.h"

namespace shoplake::app {

using base::Result;

namespace {

// Null if another has it.
Result<std::unique_ptr<io::FileLock>> try_lock(App& app) {
  auto lock = app.env().lock_file(io::join_path(app.home().directory, "flows.lock"));
  if (!lock.ok() && lock.error().kind == base::ErrorKind::conflict)
    return std::unique_ptr<io::FileLock>();
  return lock;
}

}  // namespace

struct FlowRunner::State final : Executions {
  State(App& given_app, FlowRunnerOptions given_options)
      : app(given_app), options(std::move(given_options)), publisher(given_app.env(), given_app.home().control_plane) {}

  App& app;
  FlowRunnerOptions options;
  std::unique_ptr<io::FileLock> lock;
  TopicPublisher publisher;
  flow::TaskRegistry tasks;
  std::unique_ptr<flow::Orchestrator> orchestrator;  // after what its tasks use, so that it goes before

  Result<flow::Started> start(const std::string& flow, const std::string& name, const std::string& input,
                              const std::string& started_by) override {
    auto started = SHOPLAKE_TRY(start_flow(app, {flow, "", name, input, started_by}));
    orchestrator->wake();
    return started.execution;
  }
  Result<std::optional<flow::ExecutionRow>> wait(const std::string& flow, const std::string& name,
                                                 const std::stop_token& stop) override {
    return orchestrator->wait(flow, name, stop);
  }
  Result<flow::ExecutionRow> find(const std::string& flow, const std::string& name) override {
    return find_execution(app, flow, name);
  }
  Result<void> stop(const std::string& flow, const std::string& name, const flow::StateFailure& failure) override {
    SHOPLAKE_TRY(stop_execution(app, flow, name, failure));
    orchestrator->wake();
    return {};
  }

  void ended(const flow::ExecutionRow& row) {
    const std::string status(flow::name(row.status));
    const std::int64_t micros = row.ended_micros.value_or(row.started_micros) - row.started_micros;
    base::log::info("flow.ended", {{"flow", row.flow},
                                   {"execution", row.name},
                                   {"status", status},
                                   {"seconds", static_cast<double>(micros) / 1e6},
                                   {"error", row.error.value_or("")}});
    if (options.metrics != nullptr) {
      options.metrics->add("shoplake_flow_executions_total", {{"flow", row.flow}, {"status", status}});
      options.metrics->observe("shoplake_flow_execution_seconds", {{"flow", row.flow}},
                               static_cast<double>(micros) / 1e6);
    }
    if (options.on_end)
      options.on_end(row);
  }
};

FlowRunner::FlowRunner(std::unique_ptr<State> state) : state_(std::move(state)) {}
FlowRunner::~FlowRunner() { stop(); }

Result<std::unique_ptr<FlowRunner>> FlowRunner::try_open(App& app, FlowRunnerOptions options) {
  SHOPLAKE_TRY(app.catalog());  // opened by this thread, before tasks use it
  auto state = std::make_unique<State>(app, std::move(options));
  state->lock = SHOPLAKE_TRY(try_lock(app));
  if (!state->lock)
    return std::unique_ptr<FlowRunner>();
  state->tasks = make_task_registry(app, state->publisher, *state);
  State* raw = state.get();
  flow::OrchestratorOptions orchestrator;
  orchestrator.env = &app.env();
  orchestrator.control_plane = app.home().control_plane;
  orchestrator.tasks = &state->tasks;
  const TriggerSettings settings = SHOPLAKE_TRY(read_triggers(app));
  orchestrator.executions_at_once = [limits = settings.executions_at_once](const std::string& flow) {
    const auto limit = limits.find(flow);
    return limit == limits.end() ? 0 : limit->second;
  };
  orchestrator.on_end = [raw](const flow::ExecutionRow& row) { raw->ended(row); };
  state->orchestrator = SHOPLAKE_TRY(flow::Orchestrator::open(orchestrator));
  state->orchestrator->start();
  return std::unique_ptr<FlowRunner>(new FlowRunner(std::move(state)));
}

Result<bool> FlowRunner::is_running(App& app) { return SHOPLAKE_TRY(try_lock(app)) == nullptr; }

void FlowRunner::stop() { state_->orchestrator->stop(); }
void FlowRunner::wake() { state_->orchestrator->wake(); }

Result<std::optional<flow::ExecutionRow>> FlowRunner::wait(const std::string& flow, const std::string& name,
                                                           const std::stop_token& stop) {
  return state_->orchestrator->wait(flow, name, stop);
}

}  // namespace shoplake::app
