#include "app/heap.h"

#include <cstddef>
#include <cstdint>

// The program's jemalloc and the one that DuckDB brings for its own blocks; null where there is none (under a
// sanitizer).
extern "C" {
using Control = int(const char* name, void* old, std::size_t* old_bytes, void* now, std::size_t now_bytes);
Control mallctl __attribute__((weak));
Control duckdb_je_mallctl __attribute__((weak));
}

namespace shoplake::app {
namespace {

double statistic(Control* control, const char* name) {
  std::size_t value = 0, bytes = sizeof(value);
  return control(name, &value, &bytes, nullptr, 0) == 0 ? static_cast<double>(value) : 0;
}

void measure(base::Metrics& metrics, const char* allocator, Control* control) {
  std::uint64_t epoch = 1;  // asks for statistics of now
  std::size_t bytes = sizeof(epoch);
  (void)control("epoch", &epoch, &bytes, &epoch, bytes);
  const double used = statistic(control, "stats.allocated");
  metrics.set("process_heap_bytes", {{"allocator", allocator}, {"state", "used"}}, used);
  metrics.set("process_heap_bytes", {{"allocator", allocator}, {"state", "kept"}},
              statistic(control, "stats.resident") - used);
}

}  // namespace

void describe_heap(base::Metrics& metrics) {
  if (mallctl == nullptr || duckdb_je_mallctl == nullptr)
    return;
  metrics.describe_gauge("process_heap_bytes",
                         "Heap of the program and of the engine's blocks: used, and kept by the allocator beside it.");
  metrics.before_exposition([](base::Metrics& m) {
    measure(m, "program", mallctl);
    measure(m, "engine", duckdb_je_mallctl);
  });
}

}  // namespace shoplake::app
