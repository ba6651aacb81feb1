#include "app/consumer_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "io/memory_env.h"

namespace shoplake::app {
namespace {

using testing::HasSubstr;

// A log of three records, received after 10, 20 and 30 seconds, each in a segment of its own.
class ConsumerMetrics : public testing::Test {
 protected:
  void SetUp() override {
    describe_consumer_metrics(metrics);
    wal::LogOptions options;
    options.env = &env;
    options.directory = "/wal";
    options.segment_bytes = 1;
    log = wal::Log::open(options).value();
    for (const std::int64_t second : {10, 20, 30}) {
      const wal::Entry entry{"events", second * 1'000'000, "{}\n"};
      ASSERT_TRUE(log->append_and_wait(std::span(&entry, 1)).ok());
    }
  }

  io::MemoryEnv env;
  base::Metrics metrics;
  std::unique_ptr<wal::Log> log;
};

TEST_F(ConsumerMetrics, TellDepthAndAgeOfWhatWaits) {
  const auto told = [&](wal::Offset next) {
    set_consumer_metrics(metrics, *log, {"live", next}, 60'000'000);
    return metrics.exposition();
  };
  EXPECT_THAT(told(1), HasSubstr("shoplake_log_waiting_records{consumer=\"live\"} 2\n"));
  EXPECT_THAT(told(1), HasSubstr("shoplake_log_freshness_seconds{consumer=\"live\"} 40\n"));
  EXPECT_THAT(told(3), HasSubstr("shoplake_log_waiting_records{consumer=\"live\"} 0\n"));
  EXPECT_THAT(told(3), HasSubstr("shoplake_log_freshness_seconds{consumer=\"live\"} 0\n"));
}

// The consumer went on and the log was trimmed after its position had been asked for.
TEST_F(ConsumerMetrics, APositionThatTheLogHasTrimmedIsNoLoss) {
  ASSERT_TRUE(log->trim(2).ok());
  ASSERT_EQ(log->begin(), 2u);
  set_consumer_metrics(metrics, *log, {"live", 0}, 60'000'000);
  EXPECT_EQ(log->status().records_lost, 0u);
  EXPECT_THAT(metrics.exposition(), HasSubstr("shoplake_log_freshness_seconds{consumer=\"live\"} 0\n"));
  ASSERT_TRUE(log->read(0, 1, 1).ok());  // a consumer that is not served what it asks for is another matter
  EXPECT_EQ(log->status().records_lost, 2u);
}

}  // namespace
}  // namespace shoplake::app
