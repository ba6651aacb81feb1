#include "app/heap.h"

#include <cstddef>
#include <cstdint>

// jemalloc's; null where the program is linked without it.
extern "C" int mallctl(const char* name, void* old, std::size_t* old_bytes, void* now, std::size_t now_bytes)
    __attribute__((weak));

namespace shoplake::app {
namespace {

double statistic(const char* name) {
  std::size_t value = 0, bytes = sizeof(value);
  return mallctl(name, &value, &bytes, nullptr, 0) == 0 ? static_cast<double>(value) : 0;
}

}  // namespace

void describe_heap(base::Metrics& metrics) {
  if (mallctl == nullptr)
    return;
  metrics.describe_gauge("process_heap_bytes",
                         "Heap: used, the engine's memory included, and kept by the allocator beside it.");
  metrics.before_exposition([](base::Metrics& m) {
    std::uint64_t epoch = 1;  // asks for statistics of now
    std::size_t bytes = sizeof(epoch);
    (void)mallctl("epoch", &epoch, &bytes, &epoch, bytes);
    const double used = statistic("stats.allocated");
    m.set("process_heap_bytes", {{"state", "used"}}, used);
    m.set("process_heap_bytes", {{"state", "kept"}}, statistic("stats.resident") - used);
  });
}

}  // namespace shoplake::app
