#include "cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>

#include "base/result.h"

namespace shoplake::cli {

namespace {

constexpr int kInterruptedExit = 130;
constexpr char kSignal = 's';
constexpr char kFinish = 'f';

std::atomic<int> signals_seen{0};
std::atomic<int> wake_descriptor{-1};

extern "C" void on_interrupt(int) {
  const int saved_errno = errno;
  if (signals_seen.fetch_add(1) > 0) {
    _exit(kInterruptedExit);
  }
  [[maybe_unused]] const ssize_t written = write(wake_descriptor.load(), &kSignal, 1);
  errno = saved_errno;
}

}  // namespace

InterruptGuard::InterruptGuard(bool speaks) {
  SHOPLAKE_CHECK(pipe2(pipe_, O_CLOEXEC) == 0);
  signals_seen = 0;
  wake_descriptor = pipe_[1];
  // The handler may only write to a pipe; request_stop() runs callbacks and so needs a thread of its own.
  watcher_ = std::thread([this, speaks] {
    char reason = kFinish;
    while (read(pipe_[0], &reason, 1) < 0 && errno == EINTR) {
    }
    if (reason == kSignal) {
      if (speaks) {
        std::fputs("\nstopping after what is under way; once more stops at once\n", stderr);
      }
      source_.request_stop();
    }
  });
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  [[maybe_unused]] const ssize_t written = write(pipe_[1], &kFinish, 1);
  watcher_.join();
  close(pipe_[0]);
  close(pipe_[1]);
}

void wait_until_stopped(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

}  // namespace shoplake::cli
