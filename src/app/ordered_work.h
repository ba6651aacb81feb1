// OrderedWork: the same work for numbered items, side by side on threads of its own, whose results are taken in the
// order of the numbers.
//
// Items are begun in that order, too: when a thread is free, when the weights of those that are being worked on leave
// room for it (a heavier one than the limit is worked on alone), and when not too many results wait to be taken.
//
// take() belongs to one thread.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace shoplake::app {

struct OrderedWorkLimits {
  std::size_t threads = 1;
  std::uint64_t weight = 0;  // of all items that are being worked on
  std::size_t ahead = 1;     // items that are begun and not taken
};

template <typename T>
class OrderedWork {
 public:
  // One item for each weight. `work(number)` is called from several threads.
  OrderedWork(std::vector<std::uint64_t> weights, OrderedWorkLimits limits, std::function<T(std::size_t)> work)
      : weights_(std::move(weights)), limits_(limits), work_(std::move(work)), results_(weights_.size()) {
    for (std::size_t thread = 0; thread < std::min(limits.threads, weights_.size()); ++thread)
      threads_.emplace_back([this] { run(); });
  }
  // Items that are being worked on are waited for, others are left out.
  ~OrderedWork() {
    {
      const std::lock_guard lock(mutex_);
      is_ended_ = true;
    }
    changed_.notify_all();
    threads_.clear();
  }
  OrderedWork(const OrderedWork&) = delete;
  OrderedWork& operator=(const OrderedWork&) = delete;

  // The next result; waits for it. Once for each item.
  T take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return results_[taken_].has_value(); });
    T result = std::move(*results_[taken_]);
    results_[taken_].reset();
    ++taken_;
    changed_.notify_all();
    return result;
  }

 private:
  bool can_begin() const {
    return begun_ - taken_ < limits_.ahead && (weight_ == 0 || weight_ + weights_[begun_] <= limits_.weight);
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return is_ended_ || begun_ == weights_.size() || can_begin(); });
      if (is_ended_ || begun_ == weights_.size())
        return;
      const std::size_t number = begun_++;
      weight_ += weights_[number];
      lock.unlock();
      T result = work_(number);
      lock.lock();
      weight_ -= weights_[number];
      results_[number] = std::move(result);
      changed_.notify_all();
    }
  }

  const std::vector<std::uint64_t> weights_;
  const OrderedWorkLimits limits_;
  const std::function<T(std::size_t)> work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<T>> results_;
  std::size_t begun_ = 0;
  std::size_t taken_ = 0;
  std::uint64_t weight_ = 0;
  bool is_ended_ = false;
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace shoplake::app
