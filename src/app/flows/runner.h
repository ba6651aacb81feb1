// FlowRunner: the one process of a home that runs its executions, in `shoplake serve` or in a command that waits for
// one. It holds the lock <home>/flows.lock, which the system frees when the process dies; any other process may start
// executions and ask to stop them.
//
// Thread safe once it was opened.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "app/app.h"
#include "base/metrics.h"
#include "base/result.h"
#include "flow/orchestrator.h"
#include "flow/store.h"

namespace shoplake::app {

struct FlowRunnerOptions {
  base::Metrics* metrics = nullptr;                       // may be null
  std::function<void(const flow::ExecutionRow&)> on_end;  // on the driving thread, so be quick
};

class FlowRunner {
 public:
  // Takes up what runs and goes on with it. Null if another process runs the flows of this home. Errors: those of
  // flow::Store, of triggers.yml, of Env. `app` and the metrics outlive it.
  static base::Result<std::unique_ptr<FlowRunner>> try_open(App& app, FlowRunnerOptions options);
  // Whether a process runs the flows of this home now.
  static base::Result<bool> is_running(App& app);
  ~FlowRunner();  // stop()

  // Tasks are asked to stop and waited for; executions go on when they are taken up again.
  void stop();
  // There is something new: an execution was started by this process.
  void wake();
  // Once it has ended; nothing if `stop` came first.
  base::Result<std::optional<flow::ExecutionRow>> wait(const std::string& flow, const std::string& name,
                                                       const std::stop_token& stop);

 private:
  struct State;
  explicit FlowRunner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
