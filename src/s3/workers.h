// Workers: a few threads for requests that go beside each other. A task is taken only when a thread is free for it, so
// that what waits holds no memory: who submits, waits. Tasks must not submit tasks. Thread safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace shoplake::s3 {

class Workers {
 public:
  // Threads start when they are first needed.
  explicit Workers(std::size_t threads_max) : threads_max_(threads_max) {}
  ~Workers();  // after all tasks
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void submit(std::function<void()> task);
  // Only if a thread is free at once.
  bool try_submit(std::function<void()> task);

 private:
  void take(std::function<void()> task);  // under `mutex_`
  void work();

  const std::size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable has_task_;
  std::condition_variable has_room_;
  std::deque<std::function<void()>> tasks_;
  std::size_t unfinished_ = 0;  // waiting and running
  bool is_ending_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace shoplake::s3
