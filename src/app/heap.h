// The heap of a server that runs for months, as a gauge. Who allocates is jemalloc; main.cc says how.
#pragma once

#include "base/metrics.h"

namespace shoplake::app {

// Describes and keeps process_heap_bytes{state}: `used` is what is allocated, the engine's included; `kept` is what the
// allocator holds beside it. Without jemalloc (under a sanitizer) there is none.
void describe_heap(base::Metrics& metrics);

}  // namespace shoplake::app
