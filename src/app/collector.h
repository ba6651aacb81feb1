// Collecting in `shoplake serve`: the write-ahead log with its two consumers (delivery to the raw zone, and the live
// path into the models), and the endpoints that fill it.
//
//   http ─▶ collect ─▶ wal ─┬─▶ deliver ─▶ raw/<stream>/…  (─▶ load, of streams with live: off)
//                            └─▶ live ─▶ processed.<dataset>, marts: one commit with the consumed position
//
// Start and stop belong to one thread, which is also the App's; view() is thread safe.
#pragma once

#include <memory>

#include "app/app.h"
#include "app/audit.h"
#include "base/metrics.h"
#include "base/result.h"
#include "http/server.h"
#include "serve/live_feed.h"

namespace shoplake::app {

class CollectorService {
 public:
  // Opens log and streams and adds the routes; `on_loopback`: without keys, only such a server takes events; `auditor`
  // notes who administers streams, and outlives it. Errors: wal.locked (another server runs in this home), those of the
  // configuration and of Env.
  static base::Result<std::unique_ptr<CollectorService>> open(App& app, base::Metrics& metrics, http::Server& server,
                                                              bool on_loopback, Auditor& auditor);
  ~CollectorService();  // stops

  // Begins to deliver and to count. Slow: it opens the engine and reads the project.
  base::Result<void> start();
  // After the HTTP server has stopped: everything acknowledged stays in the log for the next start.
  void stop();

  serve::LiveView view() const;

 private:
  struct State;
  explicit CollectorService(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
