// The heap of a server that runs for months, as a gauge. Who allocates is jemalloc; main.cc says how.
#pragma once

#include "base/metrics.h"

namespace shoplake::app {

// Describes and keeps process_heap_bytes{allocator,state}: `used` is what is allocated, `kept` what the allocator holds
// beside it; `program` is everything but the blocks of the engine, which brings an allocator of its own. Without
// jemalloc (under a sanitizer) there is none.
void describe_heap(base::Metrics& metrics);

}  // namespace shoplake::app
