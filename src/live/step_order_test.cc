#include "live/step_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>
#include <random>

namespace shoplake::live {
namespace {

using After = std::vector<std::vector<std::size_t>>;

// The order in which the steps ended.
std::vector<std::size_t> order_of(const After& after, std::size_t workers) {
  std::mutex mutex;
  std::vector<std::size_t> order;
  const auto done = run_in_order(after, workers, [&](std::size_t step, std::size_t worker) -> Result<void> {
    const std::lock_guard lock(mutex);
    EXPECT_LT(worker, workers);
    for (const std::size_t needed : after[step])
      EXPECT_THAT(order, testing::Contains(needed)) << "step " << step;
    order.push_back(step);
    return {};
  });
  EXPECT_TRUE(done.ok());
  return order;
}

TEST(StepOrder, OneWorkerTakesTheLongestWayFirst) {
  EXPECT_EQ(order_of({{}, {}, {1}, {2}, {0}}, 1), (std::vector<std::size_t>{1, 0, 2, 3, 4}));
  EXPECT_EQ(order_of({}, 1), std::vector<std::size_t>());
}

TEST(StepOrder, EachStepComesOnceAfterThoseThatItNeeds) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    After after(random() % 20);
    for (std::size_t step = 0; step < after.size(); ++step) {
      for (std::size_t needed = 0; needed < step; ++needed) {
        if (random() % 4 == 0)
          after[step].push_back(needed);
      }
    }
    std::vector<std::size_t> all(after.size());
    for (std::size_t step = 0; step < all.size(); ++step)
      all[step] = step;
    EXPECT_THAT(order_of(after, 1 + random() % 4), testing::UnorderedElementsAreArray(all)) << "round " << round;
  }
}

TEST(StepOrder, NothingBeginsAfterAFailure) {
  for (const std::size_t workers : {1u, 3u}) {
    std::mutex mutex;
    std::vector<std::size_t> begun;
    const auto done =
        run_in_order({{}, {0}, {0}, {1}, {2}, {3, 4}}, workers, [&](std::size_t step, std::size_t) -> Result<void> {
          const std::lock_guard lock(mutex);
          begun.push_back(step);
          if (step == 0)
            return {};
          return base::make_error(base::ErrorKind::failed, "test.failed", std::to_string(step), "");
        });
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, "test.failed");
    EXPECT_EQ(done.error().message, std::to_string(*std::min_element(begun.begin() + 1, begun.end())));
    EXPECT_THAT(begun, testing::Each(testing::Le(2u)));
  }
}

}  // namespace
}  // namespace shoplake::live
