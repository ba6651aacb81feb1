#include "app/ordered_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace shoplake::app {
namespace {

TEST(OrderedWorkTest, GivesResultsInOrderWhateverTheThreads) {
  for (const std::size_t threads : {1UL, 2UL, 7UL}) {
    OrderedWork<std::size_t> work(std::vector<std::uint64_t>(100, 1), {threads, 5, 3},
                                  [](std::size_t number) { return number * 2; });
    for (std::size_t number = 0; number < 100; ++number)
      EXPECT_EQ(work.take(), number * 2);
  }
}

TEST(OrderedWorkTest, RunsSideBySide) {
  std::latch both(2);
  OrderedWork<int> work({1, 1}, {2, 2, 2}, [&](std::size_t) {
    both.arrive_and_wait();  // neither could go on alone
    return 1;
  });
  EXPECT_EQ(work.take() + work.take(), 2);
}

TEST(OrderedWorkTest, KeepsWeightAndNumberWithinTheirLimits) {
  const std::vector<std::uint64_t> weights = {1, 1, 4, 9, 1, 2, 3, 5, 1, 1, 1, 1, 8, 1, 1, 2};
  std::atomic<std::uint64_t> weight = 0;
  std::atomic<std::uint64_t> excess = 0;
  std::atomic<std::size_t> begun = 0;
  std::atomic<std::size_t> taken = 0;
  std::atomic<std::size_t> ahead_max = 0;
  OrderedWork<int> work(weights, {4, 5, 3}, [&](std::size_t number) {
    const std::uint64_t now = weight += weights[number];
    if (now > 5 && now != weights[number])  // too heavy a one is alone
      ++excess;
    const std::size_t ahead = ++begun - taken;
    if (ahead > ahead_max)
      ahead_max = ahead;
    weight -= weights[number];
    return 0;
  });
  for (std::size_t number = 0; number < weights.size(); ++number) {
    ++taken;  // before: another may begin while take() returns
    work.take();
  }
  EXPECT_EQ(excess, 0U);
  EXPECT_LE(ahead_max, 3U);
  EXPECT_EQ(begun, weights.size());
}

TEST(OrderedWorkTest, WhatIsNotTakenIsLeftOutOrWaitedFor) {
  std::atomic<int> begun = 0;
  {
    OrderedWork<int> work(std::vector<std::uint64_t>(50, 1), {2, 2, 2}, [&](std::size_t number) {
      ++begun;
      return static_cast<int>(number);
    });
    EXPECT_EQ(work.take(), 0);
  }
  EXPECT_LE(begun, 3);
}

}  // namespace
}  // namespace shoplake::app
