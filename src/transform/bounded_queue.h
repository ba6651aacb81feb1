// BoundedQueue: hands values from one thread to another; a full queue holds the sender, an empty one the receiver.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace shoplake::transform {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False: the queue was closed; the value is dropped.
  bool push(T value) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return closed_ || values_.size() < capacity_; });
    if (closed_)
      return false;
    values_.push_back(std::move(value));
    has_values_.notify_one();
    return true;
  }
  // Nothing: the queue was closed and is empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    has_values_.wait(lock, [&] { return closed_ || !values_.empty(); });
    if (values_.empty())
      return std::nullopt;
    T value = std::move(values_.front());
    values_.pop_front();
    has_room_.notify_one();
    return value;
  }
  // No more values come; those in the queue are still given out.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    has_room_.notify_all();
    has_values_.notify_all();
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable has_room_;
  std::condition_variable has_values_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace shoplake::transform
