// The same work for many things at once, where what takes time is waiting: for a disk to sync, for a store to answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"

namespace shoplake::io {

inline constexpr std::size_t kParallelMax = 12;

// `work(item)` of each, on at most kParallelMax threads, the caller's among them. The first error, if any; then others
// may have been done or left out.
template <typename Item, typename Work>
base::Result<void> for_each_in_parallel(const std::vector<Item>& items, const Work& work) {
  std::mutex mutex;
  std::optional<base::Error> failure;
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto run = [&] {
    for (std::size_t index = next++; index < items.size() && !failed; index = next++) {
      base::Result<void> done = work(items[index]);
      if (!done.ok()) {
        failed = true;
        const std::lock_guard guard(mutex);
        if (!failure)
          failure = std::move(done).error();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t index = 1; index < std::min(items.size(), kParallelMax); ++index)
      threads.emplace_back(run);
    run();
  }
  return failure ? base::Result<void>(*failure) : base::Result<void>();
}

}  // namespace shoplake::io
