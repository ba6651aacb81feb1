// The C++ heap of a server that runs for months: bounded in what it keeps for later, and counted.
#pragma once

#include <thread>

#include "base/metrics.h"

namespace shoplake::app {

class Heap {
 public:
  // Bounds the heap of the whole process, counts it as process_heap_bytes{state}, and gives back to the system, every
  // half minute, what is free in it if that is much. `metrics` outlives it.
  explicit Heap(base::Metrics& metrics);

 private:
  std::jthread keeper_;
};

}  // namespace shoplake::app
