// Runs the executions of the control plane: every transition is durable before what follows from it begins, many
// executions' transitions in one commit. One process at a time runs them (the lock is the caller's); any process may
// start one (start_execution) or ask to stop one (Store::request_stop), which is noticed within kPollInterval.
//
// After a crash each execution goes on in the state it was in: waits keep their times, and a task that was running is
// begun again under the same id if it is resumable, else its state fails with States.TaskFailed and Retry decides.
//
// One thread drives all executions, `tasks_at_once` threads run tasks, and as many more as there are tasks that wait
// for others (at most kWaitingTasksMax). If the control plane cannot be written, nothing goes on until it can.
//
// Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "flow/store.h"
#include "flow/task.h"
#include "io/env.h"

namespace shoplake::flow {

inline constexpr std::chrono::milliseconds kPollInterval{500};
inline constexpr int kWaitingTasksMax = 256;  // further ones take places of those that work

struct OrchestratorOptions {
  io::Env* env = nullptr;
  std::string control_plane;            // state.sqlite
  const TaskRegistry* tasks = nullptr;  // outlives it
  int tasks_at_once = 8;                // further ones wait in order
  // How many executions of a flow may run at once; 0, and no function: any number. Further ones wait in the order in
  // which they were started, and their TimeoutSeconds begin to be looked at when they begin.
  std::function<int(const std::string& flow)> executions_at_once = {};
  std::function<void(const ExecutionRow&)> on_end;  // after the end is durable; on the driving thread, so be quick
};

struct StartRequest {
  std::string flow;
  std::string name;  // empty: a new UUID
  std::string definition;
  std::string input = "{}";  // JSON
  std::string started_by;
};

struct Started {
  std::int64_t id = 0;
  std::string name;
  bool is_new = true;  // false: an execution of that name with the same definition and input was there
};

// Makes the execution durable; whoever runs an Orchestrator takes it up. Errors: flow.bad_definition, flow.bad_input,
// flow.input_too_large,
// flow.execution_exists, and those of Store.
base::Result<Started> start_execution(Store& store, io::Env& env, const StartRequest& request);

class Orchestrator {
 public:
  // Takes up what runs. Errors: those of Store, and flow.bad_stored_execution.
  static base::Result<std::unique_ptr<Orchestrator>> open(const OrchestratorOptions& options);
  ~Orchestrator();  // stop()

  void start();
  // Tasks are asked to stop and waited for; executions stay as they are and go on when they are taken up again.
  void stop();

  // Looks for new executions now, not at the next poll.
  void wake();
  // The execution once it has ended, whoever runs it; nothing if the token stops or the orchestrator does first.
  base::Result<std::optional<ExecutionRow>> wait(const std::string& flow, const std::string& execution,
                                                 const std::stop_token& stop);

 private:
  struct State;
  explicit Orchestrator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::flow
