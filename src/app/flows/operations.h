// `shoplake flow ls|show|start|status|stop|history`: flows and their executions. Executions are started, looked at and
// stopped by any process; they are run by the one that has a FlowRunner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/flows/definitions.h"
#include "base/result.h"
#include "flow/definition.h"
#include "flow/orchestrator.h"
#include "flow/store.h"

namespace shoplake::app {

class FlowRunner;

struct FlowSummary {
  FlowFile file;
  std::string comment;
  std::size_t states = 0;
  std::string problem;  // why the definition cannot run; empty if it can
  std::int64_t running = 0;
  std::optional<flow::ExecutionRow> last;
};
base::Result<std::vector<FlowSummary>> list_flows(App& app);

struct FlowDescription {
  FlowFile file;
  std::string definition;                             // the text
  std::shared_ptr<const flow::StateMachine> machine;  // null if there are findings
  std::vector<flow::Finding> findings;
};
// Of the home or the installation; `file`, if it is not empty, names a definition elsewhere.
base::Result<FlowDescription> describe_flow(App& app, const std::string& flow, const std::string& file);

struct StartFlow {
  std::string flow;  // empty: the file's name
  std::string file;  // empty: by the flow's name
  std::string name;  // of the execution; empty: a new UUID
  std::string input = "{}";
  std::string started_by = "cli";
};
struct StartedFlow {
  std::string flow;
  flow::Started execution;
};
// Errors: those of definitions.h and flow::start_execution.
base::Result<StartedFlow> start_flow(App& app, const StartFlow& request);

// The newest one if `name` is empty. Error flow.no_such_execution (not_found).
base::Result<flow::ExecutionRow> find_execution(App& app, const std::string& flow, const std::string& name);
base::Result<std::vector<flow::ExecutionRow>> list_executions(App& app, const flow::ExecutionFilter& filter);
// Asks whoever runs it; nothing happens to one that has ended. Returns it as it was.
base::Result<flow::ExecutionRow> stop_execution(App& app, const std::string& flow, const std::string& name,
                                                const flow::StateFailure& failure);
base::Result<std::vector<flow::Json>> execution_history(App& app, std::int64_t execution, std::int64_t after,
                                                        std::int64_t rows_max);

struct WaitForExecution {
  std::string flow, name;
  std::function<void(const flow::Json& event)> on_event;  // each of its history, in order; may be empty
  std::function<void()> on_pause;                         // some times a second while nothing happens; may be empty
  std::stop_token stop;
  // Where the runner is kept if this process becomes the one that runs flows; null: only for this call.
  std::unique_ptr<FlowRunner>* runner = nullptr;
};
// Runs the flows of the home in this process as long as no other does. Nothing if `stop` came first: then the execution
// goes on when somebody runs flows again.
base::Result<std::optional<flow::ExecutionRow>> wait_for_execution(App& app, const WaitForExecution& request);

// Whether a process runs the flows of this home now.
base::Result<bool> somebody_runs_flows(App& app);

}  // namespace shoplake::app
