// When to try again, and after how long: exponential backoff with full jitter, so that many clients that failed
// together do not come back together. Source:
// https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
#pragma once

#include <cstdint>
#include <functional>

#include "io/env.h"

namespace shoplake::s3 {

struct RetryOptions {
  int attempts_max = 9;  // the first included
  std::int64_t pause_micros_base = 100'000;
  std::int64_t pause_micros_max = 10'000'000;
};

// The pause after attempt `attempt` (from 1): any of 0 … min(max, base · 2^(attempt-1)).
std::int64_t pause_micros(const RetryOptions& options, int attempt, io::Env& env);

// Waits so long; tests give one that only counts.
using Pause = std::function<void(std::int64_t micros)>;
Pause real_pause();

}  // namespace shoplake::s3
