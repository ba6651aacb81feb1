#include "app/heap.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/types.h>

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

constexpr ssize_t kProgramDecayMs = 500;
constexpr ssize_t kEngineDecayMs = 100;  // of blocks, which are larger

// How long free memory is kept, by arenas that there are and those to come.
void set_decay(Control* control, ssize_t milliseconds) {
  (void)control("arenas.dirty_decay_ms", nullptr, nullptr, &milliseconds, sizeof(milliseconds));
  unsigned arenas = 0;
  std::size_t bytes = sizeof(arenas);
  if (control("arenas.narenas", &arenas, &bytes, nullptr, 0) != 0)
    return;
  for (unsigned arena = 0; arena < arenas; ++arena) {
    // One that has not been used yet has no such setting, and will take the one above; that of large blocks keeps
    // nothing at all.
    const std::string name = "arena." + std::to_string(arena) + ".dirty_decay_ms";
    ssize_t now = 0;
    std::size_t now_bytes = sizeof(now);
    if (control(name.c_str(), &now, &now_bytes, nullptr, 0) == 0 && now > milliseconds)
      (void)control(name.c_str(), nullptr, nullptr, &milliseconds, sizeof(milliseconds));
  }
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

void return_memory_sooner() {
  if (mallctl != nullptr)
    set_decay(mallctl, kProgramDecayMs);
  if (duckdb_je_mallctl != nullptr)
    set_decay(duckdb_je_mallctl, kEngineDecayMs);
}

}  // namespace shoplake::app
