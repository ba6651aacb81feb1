// Flows in `shoplake serve`: runs executions and looks for the occasions of triggers, unless another process of this
// home runs the flows; then it takes over when that one ends.
//
// start() and stop() belong to one thread; the others to any.
#pragma once

#include <functional>
#include <memory>

#include "app/app.h"
#include "app/flows/triggers.h"
#include "base/metrics.h"
#include "base/result.h"

namespace shoplake::app {

class FlowService {
 public:
  // Reads the triggers. Errors: those of read_triggers(). `app` and the metrics outlive it. `on_objects` is told, on
  // the service's thread or that of note_objects(), when triggers have noted objects that came.
  static base::Result<std::unique_ptr<FlowService>> open(App& app, base::Metrics& metrics,
                                                         std::function<void()> on_objects);
  ~FlowService();  // stops

  // When it returns, the objects that stand in the lake have been noted by their triggers, if this process runs flows.
  void start();
  // Executions stay where they are and go on when flows run again.
  void stop();

  const TriggerSettings& triggers() const;
  // Objects that came are noted, before somebody moves them.
  void note_objects();
  // An execution was started by this process.
  void wake();

 private:
  struct State;
  explicit FlowService(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
