#include "base/metrics.h"

#include <gtest/gtest.h>

namespace shoplake::base {
namespace {

TEST(Metrics, ExposesTextFormat) {
  Metrics metrics;
  metrics.describe_counter("requests_total", "Requests.");
  metrics.describe_histogram("seconds", "Time.", {0.1, 1});
  metrics.describe_gauge("unused", "Never set.");
  metrics.add("requests_total", {{"path", "a\"b\\\n"}}, 2);
  metrics.observe("seconds", {}, 0.1);
  metrics.observe("seconds", {}, 5);
  EXPECT_EQ(metrics.exposition(),
            "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{path=\"a\\\"b\\\\\\n\"} 2\n"
            "# HELP seconds Time.\n# TYPE seconds histogram\n"
            "seconds_bucket{le=\"0.1\"} 1\nseconds_bucket{le=\"1\"} 1\nseconds_bucket{le=\"+Inf\"} 2\nseconds_sum "
            "5.1\nseconds_count 2\n");
}

TEST(Metrics, GivesValues) {
  Metrics metrics;
  metrics.describe_counter("requests_total", "Requests.");
  metrics.describe_histogram("seconds", "Time.", {0.1, 1});
  metrics.describe_gauge("depth", "Depth.");
  metrics.before_exposition([](Metrics& m) { m.set("depth", {}, 7); });
  metrics.add("requests_total", {{"path", "a\"b\\\n\\n"}, {"status", ""}}, 2);
  metrics.add("requests_total", {}, 1);
  metrics.observe("seconds", {}, 0.5);
  metrics.observe("seconds", {}, 5);
  const auto samples = metrics.samples({"requests_total", "seconds", "depth", "unknown"});
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_EQ(samples[0].value, 7) << "refreshed before";
  EXPECT_EQ(samples[0].type, Metrics::Type::gauge);
  EXPECT_TRUE(samples[1].labels.empty());
  using Labels = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(samples[2].labels, (Labels{{"path", "a\"b\\\n\\n"}, {"status", ""}}));
  EXPECT_EQ(samples[3].type, Metrics::Type::histogram);
  EXPECT_EQ(samples[3].value, 5.5);
  EXPECT_EQ(samples[3].count, 2u);
}

}  // namespace
}  // namespace shoplake::base
