#include "s3/retry.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace shoplake::s3 {

std::int64_t pause_micros(const RetryOptions& options, int attempt, io::Env& env) {
  const int doublings = std::min(attempt - 1, 30);
  const std::int64_t longest = std::min(options.pause_micros_max, options.pause_micros_base << doublings);
  return longest <= 0 ? 0 : static_cast<std::int64_t>(env.random_uint64() % (static_cast<std::uint64_t>(longest) + 1));
}

Pause real_pause() {
  return [](std::int64_t micros) {
    std::mutex mutex;
    std::condition_variable nobody;
    std::unique_lock lock(mutex);
    nobody.wait_for(lock, std::chrono::microseconds(micros), [] { return false; });
  };
}

}  // namespace shoplake::s3
