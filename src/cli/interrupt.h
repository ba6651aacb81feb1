// Ctrl-C (SIGINT) and SIGTERM: the first asks the command to stop by its stop token, so that it ends between two
// commits and says what was committed; the second ends the process at once (exit code 130), which every stage survives
// like a crash.
#pragma once

#include <stop_token>
#include <thread>

namespace shoplake::cli {

// Installs the handlers for its lifetime. One at a time.
class InterruptGuard {
 public:
  // With `speaks`, says at the first signal on standard error that it is stopping.
  explicit InterruptGuard(bool speaks);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  int pipe_[2] = {-1, -1};
  std::thread watcher_;
};

// Returns when the token is asked to stop.
void wait_until_stopped(const std::stop_token& stop);

}  // namespace shoplake::cli
