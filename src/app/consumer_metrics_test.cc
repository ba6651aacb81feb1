#include "app/consumer_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/memory_env.h"

namespace shoplake::app {
namespace {

using testing::HasSubstr;

TEST(ConsumerMetrics, TellDepthAndAgeOfWhatWaits) {
  io::MemoryEnv env;
  base::Metrics metrics;
  describe_consumer_metrics(metrics);
  wal::LogOptions options;
  options.env = &env;
  options.directory = "/wal";
  const auto log = wal::Log::open(options).value();
  for (std::int64_t second : {10, 20, 30}) {
    const wal::Entry entry{"events", second * 1'000'000, "{}\n"};
    ASSERT_TRUE(log->append_and_wait(std::span(&entry, 1)).ok());
  }
  const auto told = [&](wal::Offset next) {
    set_consumer_metrics(metrics, *log, {"live", next}, 60'000'000);
    return metrics.exposition();
  };
  EXPECT_THAT(told(1), HasSubstr("shoplake_log_waiting_records{consumer=\"live\"} 2\n"));
  EXPECT_THAT(told(1), HasSubstr("shoplake_log_freshness_seconds{consumer=\"live\"} 40\n"));
  EXPECT_THAT(told(3), HasSubstr("shoplake_log_waiting_records{consumer=\"live\"} 0\n"));
  EXPECT_THAT(told(3), HasSubstr("shoplake_log_freshness_seconds{consumer=\"live\"} 0\n"));
}

}  // namespace
}  // namespace shoplake::app
