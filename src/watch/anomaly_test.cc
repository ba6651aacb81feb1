#include "watch/anomaly.h"

#include <gtest/gtest.h>

#include <vector>

namespace shoplake::watch {
namespace {

std::vector<DailyRate> days(DailyRate newest, std::size_t before, double hits = 30, double trials = 1000) {
  std::vector<DailyRate> all{newest};
  for (std::size_t i = 0; i < before; ++i)
    all.push_back({hits + (i % 2 == 0 ? 1.0 : -1.0), trials});
  return all;
}

TEST(Deviation, NeedsDaysBeforeAndTrials) {
  EXPECT_FALSE(deviation({}));
  EXPECT_FALSE(deviation(days({30, 1000}, 6)));
  EXPECT_FALSE(deviation(days({0, 0}, 28)));
  EXPECT_TRUE(deviation(days({30, 1000}, 7)));
}

TEST(Deviation, AUsualDayIsNearAndAnUnusualOneFarInBothDirections) {
  EXPECT_LT(*deviation(days({31, 1000}, 28)), 1);
  EXPECT_GT(*deviation(days({5, 1000}, 28)), 3);
  EXPECT_GT(*deviation(days({60, 1000}, 28)), 3);
}

TEST(Deviation, ChanceOfFewSessionsIsNoAnomaly) {
  EXPECT_LT(*deviation(days({0, 40}, 28)), 3) << "no order of 40 visitors at 3 %";
  EXPECT_GT(*deviation(days({0, 4000}, 28)), 3) << "no order of 4,000";
}

TEST(Deviation, LooksBackAsFarAsItSays) {
  std::vector<DailyRate> all = days({30, 1000}, 28);
  const double alone = *deviation(all);
  for (int i = 0; i < 100; ++i)
    all.push_back({900, 1000});
  EXPECT_EQ(*deviation(all), alone);
}

TEST(Deviation, OfRatesThatNeverVaried) {
  EXPECT_EQ(*deviation(std::vector<DailyRate>(29, DailyRate{0, 100})), 0);
  std::vector<DailyRate> first_orders(29, DailyRate{0, 100});
  first_orders[0].hits = 1;
  EXPECT_GT(*deviation(first_orders), 3);
}

}  // namespace
}  // namespace shoplake::watch
