// Exchange: requests that are repeated until they are answered or it makes no sense to go on. All requests of this
// module only read, so that repeating one does no harm.
//
// Repeated: no connection, time-outs, cut and unreadable answers, 408, 429 and 5xx. Pauses are exponential with full
// jitter, so that many clients that failed together do not come back together; where the server names a longer one
// (Retry-After), that. Not repeated: a 429 that says that tokens are used up, which come back after an hour or a day;
// a Retry-After beyond pause_max; any answer after kServerErrorsMax server errors, for the API lets a property have ten
// of them an hour. Source: https://developers.google.com/analytics/devguides/reporting/data/v1/quotas
//
// Belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "http/transport.h"
#include "io/env.h"

namespace shoplake::ga4api {

using base::Result;

inline constexpr int kServerErrorsMax = 8;

struct RetryOptions {
  int attempts_max = 5;  // the first included
  std::chrono::milliseconds pause_base{1'000};
  std::chrono::milliseconds pause_max{60'000};
};

// Waits so long; false if the work is to stop. Tests give one that only counts.
using Pause = std::function<bool(std::chrono::milliseconds)>;
Pause interruptible_pause(std::stop_token stop);

class Exchange {
 public:
  // Transport and env outlive it.
  Exchange(http::Transport& transport, io::Env& env, RetryOptions options, Pause pause)
      : transport_(transport), env_(env), options_(options), pause_(std::move(pause)) {}

  // Whether a 200 is what was asked for. An error is a reason to ask again, and the outcome if there is no more asking.
  using Check = std::function<Result<void>(const http::Answer&)>;

  // An answer that is not to be repeated, of any status. Errors: those of http::Transport and of `check`;
  // ga4.interrupted (cancelled).
  Result<http::Answer> send(const http::Call& call, const Check& check);

  std::int64_t requests() const { return requests_; }
  std::int64_t retries() const { return retries_; }

 private:
  bool is_worth_repeating(const http::Answer& answer);
  std::chrono::milliseconds jittered_pause(int attempt);

  http::Transport& transport_;
  io::Env& env_;
  RetryOptions options_;
  Pause pause_;
  int server_errors_ = 0;
  std::int64_t requests_ = 0;
  std::int64_t retries_ = 0;
};

}  // namespace shoplake::ga4api
