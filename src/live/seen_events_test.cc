#include "live/seen_events.h"

#include <gtest/gtest.h>

#include <string>

namespace shoplake::live {
namespace {

constexpr std::int64_t kMinute = 60'000'000;

EventDigest id(int number) { return event_digest("event " + std::to_string(number)); }

TEST(SeenEvents, HoldsWhatWasAdded) {
  SeenEvents seen(SeenEvents::kAll);
  EXPECT_FALSE(seen.contains(id(1)));
  EXPECT_TRUE(seen.add(id(1), 5 * kMinute));
  EXPECT_FALSE(seen.add(id(1), 5 * kMinute));
  EXPECT_TRUE(seen.contains(id(1)));
  EXPECT_FALSE(seen.contains(id(2)));
  EXPECT_EQ(seen.size(), 1u);
}

TEST(SeenEvents, TheOldestGo) {
  SeenEvents seen(1'000);
  for (int number = 0; number < 1'100; ++number)
    seen.add(id(number), number * kMinute);
  EXPECT_LE(seen.size(), 1'000u);
  EXPECT_FALSE(seen.contains(id(0)));
  for (int number = 0; number < 1'100; ++number)
    EXPECT_TRUE(seen.contains(id(number)) || number * kMinute < seen.begin_micros()) << number;
  EXPECT_TRUE(seen.contains(id(1'099)));
}

// Both are tables in the order of ids: to fill one from the other must not take the square of their size.
TEST(SeenEvents, TakesAllOfAnother) {
  constexpr int kCount = 300'000;
  SeenEvents batch(SeenEvents::kAll);
  for (int number = 0; number < kCount; ++number)
    batch.add(id(number), number * kMinute);
  SeenEvents window(kCount / 2);
  for (int number = kCount; number < kCount + kCount / 2; ++number)
    window.add(id(number), number * kMinute);
  EXPECT_FALSE(window.intersects(batch));
  window.add_all(batch);
  for (int number = 0; number < kCount + kCount / 2; ++number)
    ASSERT_TRUE(window.contains(id(number)) || number * kMinute < window.begin_micros()) << number;
  EXPECT_LE(window.size(), static_cast<std::size_t>(kCount / 2));

  SeenEvents all(SeenEvents::kAll);
  all.add_all(batch);
  all.add_all(window);
  EXPECT_TRUE(all.intersects(window));
  for (int number = 0; number < kCount; ++number)
    ASSERT_TRUE(all.contains(id(number)));
}

}  // namespace
}  // namespace shoplake::live
