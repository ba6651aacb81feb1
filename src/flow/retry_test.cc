// What the names of retriers stand for, and the waits between retries.
#include "flow/retry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/memory_env.h"

namespace shoplake::flow {
namespace {

TEST(Retry, WildcardsDoNotStandForWhatTryingAgainDoesNotChange) {
  const std::vector<std::string> all{"States.ALL"};
  const std::vector<std::string> failed{"States.TaskFailed"};
  EXPECT_TRUE(matches(all, "Glue.ConcurrentRunsExceededException"));
  EXPECT_TRUE(matches(all, "States.Timeout"));
  EXPECT_FALSE(matches(all, "States.Runtime"));
  EXPECT_FALSE(matches(all, "States.DataLimitExceeded"));
  EXPECT_TRUE(matches(failed, "Glue.ConcurrentRunsExceededException"));
  EXPECT_FALSE(matches(failed, "States.Timeout"));
  EXPECT_FALSE(matches(failed, "States.Runtime"));
  EXPECT_TRUE(matches({"States.Timeout"}, "States.HeartbeatTimeout"));
  EXPECT_TRUE(matches({"a", "States.Runtime"}, "States.Runtime"));
  EXPECT_FALSE(matches({"a"}, "b"));
}

TEST(Retry, WaitsGrowUpToTheirLimit) {
  io::MemoryEnv env(0);
  Retrier retrier;
  retrier.interval_seconds = 3;
  EXPECT_EQ(delay_micros(retrier, 1, env), 3'000'000);
  EXPECT_EQ(delay_micros(retrier, 3, env), 12'000'000);
  retrier.backoff_rate = 1.5;
  EXPECT_EQ(delay_micros(retrier, 2, env), 4'500'000);
  retrier.delay_seconds_max = 5;
  EXPECT_EQ(delay_micros(retrier, 9, env), 5'000'000);
  EXPECT_EQ(delay_micros(retrier, 1'000'000, env), 5'000'000);
}

TEST(Retry, JitterStaysWithinTheWait) {
  io::MemoryEnv env(0);
  Retrier retrier;
  retrier.full_jitter = true;
  for (int round = 0; round < 100; ++round) {
    const std::int64_t wait = delay_micros(retrier, 2, env);
    EXPECT_GE(wait, 0);
    EXPECT_LE(wait, 2'000'000);
  }
}

}  // namespace
}  // namespace shoplake::flow
