// Dispatcher: brings the outbox to the subscriptions, for as long as it runs. Several subscriptions at once, each one
// notification at a time and in their order; a slow or dead receiver delays nobody else. An attempt that fails is
// repeated after kRetryFirst, doubled each time up to kRetryMax (with jitter, or as Retry-After says), for kRetryFor;
// then it is given up, which is logged. More than a subscription takes in a minute waits.
//
// One process at a time: it holds a lock on `<control plane>.outbox`; where another process has it, start() waits for
// it.
//
// start() and stop() belong to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/env.h"
#include "watch/outbox.h"
#include "watch/sender.h"

namespace shoplake::watch {

inline constexpr std::chrono::seconds kRetryFirst{2};
inline constexpr std::chrono::seconds kRetryMax{600};
inline constexpr std::chrono::hours kRetryFor{24};
inline constexpr int kSendersAtOnce = 4;
// What is published by other processes is noticed within.
inline constexpr std::chrono::milliseconds kOutboxPollInterval{500};
inline constexpr std::chrono::hours kNotificationsKept{24 * 90};

struct DispatcherOptions {
  io::Env* env = nullptr;
  std::string control_plane;
  std::vector<Subscription> subscriptions;
  Sender* sender = nullptr;          // outlives it
  base::Metrics* metrics = nullptr;  // may be null
};

class Dispatcher {
 public:
  explicit Dispatcher(DispatcherOptions options);
  ~Dispatcher();  // stops

  void start();
  // Attempts that have begun come to their end, which takes kSendTimeout at most.
  void stop();

  // Looks for notifications now, not at the next poll.
  void wake();

  // Instead of start(): until nothing is due any more, on the caller's thread. Errors: io.locked (another process
  // delivers), those of Outbox.
  struct Report {
    std::int64_t delivered = 0;
    std::int64_t failed = 0;   // to be tried again later
    std::int64_t refused = 0;  // given up
  };
  base::Result<Report> run_once(const std::stop_token& stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// After the given failed attempt (the first is 1); `random` from 0 to 1.
std::chrono::microseconds retry_delay(std::int64_t attempt, double random);

}  // namespace shoplake::watch
