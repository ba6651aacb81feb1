// ObjectLoader: streams with `live: off` enter their dataset by their delivered raw objects. Each object that is
// created is loaded, as `shoplake load` would, in place: it stands in the raw zone already. What was delivered while
// nobody loaded is found in the registry of delivered objects at start, so a lost announcement loses nothing; the
// registry of loaded content makes each object count once.
//
// start() and stop() belong to one thread; announce() to any.
#pragma once

#include <memory>

#include "app/app.h"
#include "base/metrics.h"
#include "base/result.h"
#include "collect/streams.h"
#include "deliver/registry.h"

namespace shoplake::app {

class ObjectLoader {
 public:
  // Both outlive it.
  ObjectLoader(App& app, const collect::Streams& streams, base::Metrics& metrics);
  ~ObjectLoader();  // stops

  // Queues what was delivered and is not loaded, and begins. Errors: of the control plane.
  base::Result<void> start();
  // An object was created. Objects of streams that the live path takes, or without a contract, are passed over.
  void announce(const deliver::DeliveredObject& object);
  // Queue depth and freshness, before /metrics is written. Any thread.
  void set_gauges() const;
  void stop();  // after the running load's next block

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
