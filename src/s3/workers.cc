#include "s3/workers.h"

#include <utility>

namespace shoplake::s3 {

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  has_task_.notify_all();
  threads_.clear();
}

void Workers::submit(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [this] { return unfinished_ < threads_max_; });
  take(std::move(task));
}

bool Workers::try_submit(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (unfinished_ >= threads_max_)
    return false;
  take(std::move(task));
  return true;
}

void Workers::take(std::function<void()> task) {
  ++unfinished_;
  tasks_.push_back(std::move(task));
  if (threads_.size() < unfinished_)
    threads_.emplace_back([this] { work(); });
  has_task_.notify_one();
}

void Workers::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_task_.wait(lock, [this] { return is_ending_ || !tasks_.empty(); });
    if (tasks_.empty())
      return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // with what it holds, before there is room for the next
    lock.lock();
    --unfinished_;
    has_room_.notify_one();
  }
}

}  // namespace shoplake::s3
