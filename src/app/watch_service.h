// Watching in `shoplake serve`: reads metrics and the lake, evaluates alarms, delivers notifications.
//
// start() and stop() belong to one thread.
#pragma once

#include <memory>

#include "app/app.h"
#include "base/metrics.h"
#include "base/result.h"
#include "serve/dashboard.h"

namespace shoplake::app {

class WatchService {
 public:
  // Reads the alarms; all given outlive it. Errors: those of watch::read_alarms() and of Env.
  static base::Result<std::unique_ptr<WatchService>> open(App& app, base::Metrics& metrics, serve::Lake& lake);
  ~WatchService();  // stops

  void start();
  void stop();

 private:
  struct State;
  explicit WatchService(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
