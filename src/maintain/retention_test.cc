#include "maintain/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::maintain {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> as_text(const std::vector<LifecycleRule>& rules) {
  std::vector<std::string> text;
  for (const LifecycleRule& rule : rules) {
    text.push_back(rule.prefix + " " + std::to_string(rule.days));
  }
  return text;
}

TEST(LifecycleRules, AreThePolicyWithGrace) {
  RetentionPolicy policy;
  EXPECT_THAT(as_text(lifecycle_rules(policy, {"events", "reviews"}, 7)), ElementsAre("raw/ 37"));
  policy.query_results = 5;
  policy.processed = 1;  // tables: the catalog's business
  policy.datasets["reviews"].zones["raw"] = 10;
  policy.datasets["events"].zones["processed"] = 10;
  EXPECT_THAT(as_text(lifecycle_rules(policy, {"events", "reviews"}, 0)),
              ElementsAre("raw/ 30", "raw/reviews/ 10", "query-results/ 5"));
  policy.raw.reset();
  policy.query_results.reset();
  EXPECT_THAT(as_text(lifecycle_rules(policy, {"events", "reviews"}, 0)), ElementsAre("raw/reviews/ 10"));
  policy.datasets.clear();
  EXPECT_THAT(lifecycle_rules(policy, {"events"}, 7), IsEmpty());
}

TEST(LifecycleRules, NeverShortenWhatStaysLonger) {
  RetentionPolicy policy;
  policy.datasets["events"].zones["raw"] = 90;
  EXPECT_THAT(as_text(lifecycle_rules(policy, {"events", "reviews"}, 0)),
              ElementsAre("raw/events/ 90", "raw/reviews/ 30"));
  policy.datasets["events"].zones["raw"] = std::nullopt;
  EXPECT_THAT(as_text(lifecycle_rules(policy, {"events", "reviews"}, 0)), ElementsAre("raw/reviews/ 30"));
  EXPECT_THAT(lifecycle_rules(policy, {}, 0), IsEmpty());
}

}  // namespace
}  // namespace shoplake::maintain
