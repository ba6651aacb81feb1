#include "live/step_order.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace shoplake::live {
namespace {

class Steps {
 public:
  explicit Steps(const std::vector<std::vector<std::size_t>>& after)
      : before_(after.size()), ways_(after.size()), waits_for_(after.size()), unfinished_(after.size()) {
    for (std::size_t step = 0; step < after.size(); ++step) {
      for (const std::size_t needed : after[step]) {
        SHOPLAKE_CHECK(needed < step);
        before_[needed].push_back(step);
      }
      waits_for_[step] = after[step].size();
    }
    for (std::size_t step = after.size(); step-- > 0;) {
      for (const std::size_t later : before_[step])
        ways_[step] = std::max(ways_[step], ways_[later] + 1);
    }
    for (std::size_t step = 0; step < after.size(); ++step) {
      if (waits_for_[step] == 0)
        make_ready(step);
    }
  }

  void work_off(std::size_t worker, const std::function<Result<void>(std::size_t, std::size_t)>& work) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !ready_.empty() || unfinished_ == 0 || !failures_.empty(); });
      if (ready_.empty() || !failures_.empty())
        return;
      const std::size_t step = ready_.begin()->second;
      ready_.erase(ready_.begin());
      lock.unlock();
      Result<void> done = work(step, worker);
      lock.lock();
      --unfinished_;
      if (done.ok()) {
        for (const std::size_t later : before_[step]) {
          if (--waits_for_[later] == 0)
            make_ready(later);
        }
      } else {
        failures_.emplace(step, std::move(done).error());
      }
      changed_.notify_all();
    }
  }

  // After every worker has ended.
  Result<void> outcome() const { return failures_.empty() ? Result<void>() : failures_.begin()->second; }

 private:
  void make_ready(std::size_t step) { ready_.emplace(-static_cast<std::int64_t>(ways_[step]), step); }

  std::vector<std::vector<std::size_t>> before_;  // of each step those that need it
  std::vector<std::size_t> ways_;                 // how many steps follow it, one after another
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> waits_for_;
  std::set<std::pair<std::int64_t, std::size_t>> ready_;
  std::size_t unfinished_;
  std::map<std::size_t, base::Error> failures_;
};

}  // namespace

Result<void> run_in_order(const std::vector<std::vector<std::size_t>>& after, std::size_t workers,
                          const std::function<Result<void>(std::size_t step, std::size_t worker)>& work) {
  Steps steps(after);
  {
    std::vector<std::jthread> threads;
    for (std::size_t worker = 1; worker < std::min(workers, after.size()); ++worker)
      threads.emplace_back([&steps, &work, worker] { steps.work_off(worker, work); });
    steps.work_off(0, work);
  }
  return steps.outcome();
}

}  // namespace shoplake::live
