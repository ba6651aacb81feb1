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

}  // namespace
}  // namespace shoplake::base
