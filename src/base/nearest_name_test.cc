#include "base/nearest_name.h"

#include <vector>

#include <gtest/gtest.h>

namespace shoplake::base {
namespace {

TEST(NearestName, AllowsFewTypingMistakes) {
  const std::vector<std::string> keys{"lake", "memory_limit", "threads", "marts.fact_events"};
  EXPECT_EQ(nearest_name("memory_limt", keys), "memory_limit");
  EXPECT_EQ(nearest_name("memroy_limit", keys), "memory_limit");
  EXPECT_EQ(nearest_name("Threads", keys), "threads");
  EXPECT_EQ(nearest_name("marts.fact_event", keys), "marts.fact_events");
  EXPECT_EQ(nearest_name("leke", keys), "lake");
  EXPECT_EQ(nearest_name("project", keys), "");
  EXPECT_EQ(nearest_name("", keys), "");
  EXPECT_EQ(nearest_name("lake", {}), "");
}

}  // namespace
}  // namespace shoplake::base
