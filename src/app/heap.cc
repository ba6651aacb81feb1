#include "app/heap.h"

#include <malloc.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace shoplake::app {
namespace {

constexpr int kMappedBytes = 1 << 20;  // what is so large is given back when it is freed
constexpr int kArenas = 4;             // each keeps free memory of its own
constexpr std::size_t kFreeBytesMax = 32 << 20;
constexpr std::chrono::seconds kTrimEvery{30};

void count(base::Metrics& metrics) {
  const struct mallinfo2 heap = mallinfo2();
  metrics.set("process_heap_bytes", {{"state", "used"}}, static_cast<double>(heap.uordblks + heap.hblkhd));
  metrics.set("process_heap_bytes", {{"state", "free"}}, static_cast<double>(heap.fordblks));
}

void keep(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    changed.wait_for(lock, stop, kTrimEvery, [] { return false; });
    if (mallinfo2().fordblks > kFreeBytesMax)
      malloc_trim(0);
  }
}

}  // namespace

Heap::Heap(base::Metrics& metrics) {
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  mallopt(M_ARENA_MAX, kArenas);
  metrics.describe_gauge("process_heap_bytes", "C++ heap without the engine's: used, and free (kept for later).");
  metrics.before_exposition(count);
  keeper_ = std::jthread(keep);
}

}  // namespace shoplake::app
