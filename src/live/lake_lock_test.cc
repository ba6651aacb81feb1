#include "live/lake_lock.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "io/memory_env.h"

namespace shoplake::live {
namespace {

TEST(LakeLock, ExcludesASecondHolder) {
  io::MemoryEnv env;
  ASSERT_TRUE(env.create_directories("home").ok());
  auto first = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(first.ok() && *first);
  const auto second = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*second, nullptr);
  first->reset();
  const auto third = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(third.ok());
  EXPECT_NE(*third, nullptr);
}

// Live gives the lock up when it is wanted and asks for it again at once: that must not overtake who waited.
TEST(LakeLock, WhoWaitsIsNotOvertaken) {
  io::MemoryEnv env;
  ASSERT_TRUE(env.create_directories("home").ok());
  auto live = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(live.ok() && *live);
  auto build = std::async(std::launch::async, [&] { return LakeLock::acquire(env, "home", {}); });
  while (!LakeLock::is_wanted(env, "home"))
    std::this_thread::yield();
  live->reset();
  auto again = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(again.ok());
  auto built = build.get();
  ASSERT_TRUE(built.ok());
  EXPECT_NE(*built, nullptr);
  EXPECT_EQ(*again, nullptr) << "overtook the one that waited";
}

TEST(LakeLock, WaitingEndsWhenStopped) {
  io::MemoryEnv env;
  ASSERT_TRUE(env.create_directories("home").ok());
  const auto live = LakeLock::try_acquire(env, "home");
  ASSERT_TRUE(live.ok() && *live);
  std::stop_source stop;
  auto build = std::async(std::launch::async, [&] { return LakeLock::acquire(env, "home", stop.get_token()); });
  while (!LakeLock::is_wanted(env, "home"))
    std::this_thread::yield();
  stop.request_stop();
  const auto built = build.get();
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().code, "live.lock_cancelled");
  EXPECT_FALSE(LakeLock::is_wanted(env, "home"));
}

}  // namespace
}  // namespace shoplake::live
