#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/moment.h"
#include "cost/ledger.h"
#include "cost/prices.h"
#include "io/env.h"
#include "io/temporary_directory.h"

namespace shoplake::cost {
namespace {

using testing::HasSubstr;

std::string shipped() {
  return io::posix_env().read_file(std::string(SHOPLAKE_SOURCE_DIR) + "/prices/aws.yml").value();
}

// The documents' own tables: what they say a month costs.
TEST(Prices, AreThoseOfTheDocuments) {
  const auto list = parse_prices(shipped(), "aws.yml");
  ASSERT_TRUE(list.ok()) << to_string(list.error());
  constexpr double kGibibyte = 1073741824.0;
  constexpr double kMonth = 365.25 / 12;
  EXPECT_NEAR(list->dollars(kStorageByteDays, 100 * kGibibyte * kMonth), 2.30, 0.005);
  EXPECT_NEAR(list->dollars(kAthenaBytes, 100 * kGibibyte), 0.50, 0.02);
  EXPECT_NEAR(list->dollars(kLambdaRequests, 1e6), 0.20, 1e-9);
  EXPECT_NEAR(list->dollars(kTransitions, 1000), 0.025, 1e-9);
  EXPECT_NEAR(list->dollars(kGlueDpuSeconds, 30 * 3600), 13.20, 1e-9) << "30 DPU-hours";
  EXPECT_NEAR(list->dollars(kPutRequests, 1e6 * 0.1) + list->dollars(kGetRequests, 1e6 * 0.1), 0.54, 1e-9);
  EXPECT_EQ(list->dollars("nothing", 1e9), 0);
}

TEST(Prices, MistakesHaveAPlace) {
  const auto mistake = [](const std::string& from, const std::string& to) {
    std::string text = shipped();
    text.replace(text.find(from), from.size(), to);
    const auto list = parse_prices(text, "aws.yml");
    return list.ok() ? "" : list.error().message;
  };
  EXPECT_THAT(mistake("dollars: 0.029", "dollars: cheap"), HasSubstr("aws.yml:6: dollars: \"cheap\" is no number"));
  EXPECT_THAT(mistake("  athena_bytes:", "  athena_byte:"), HasSubstr("there is no meter athena_byte"));
  EXPECT_THAT(mistake("date: 2026-11-21", "date: today"), HasSubstr("is no day"));
  EXPECT_THAT(mistake("  glue_job_dpus: 2", "  glue_job_dpu: 2"), HasSubstr("glue_job_dpus is missing"));
  EXPECT_THAT(mistake("prices:", "price:"), HasSubstr("the mapping prices is missing"));
  EXPECT_THAT(mistake("rules:", "rules: ["), HasSubstr("aws.yml:"));
}

TEST(Billing, RoundsAndHasMinima) {
  const BillingRules rules = parse_prices(shipped(), "aws.yml").value().rules;
  EXPECT_EQ(billed_firehose_bytes(rules, 0, 0), 0);
  EXPECT_EQ(billed_firehose_bytes(rules, 1000, 300'000), 1000 * 5120) << "small records cost 5 KB each";
  EXPECT_EQ(billed_firehose_bytes(rules, 10, 60'000), 10 * 10'240);
  EXPECT_EQ(billed_athena_bytes(rules, 0), 10'485'760);
  EXPECT_EQ(billed_athena_bytes(rules, 1e9), 1e9);
  EXPECT_EQ(billed_job_dpu_seconds(rules, 3), 120);
  EXPECT_EQ(billed_job_dpu_seconds(rules, 100), 200);
  EXPECT_EQ(billed_crawler_dpu_seconds(rules, 1), 1200);
}

TEST(QueryShape, HasNoValues) {
  EXPECT_EQ(query_shape("select *\n  from t -- where email = 'x'\n where a = 'o''brien' and b > 12.5e3;  "),
            "select * from t where a = ? and b > ?");
  EXPECT_EQ(query_shape("select t1.a2 from t1"), "select t1.a2 from t1");
  EXPECT_EQ(query_shape("select $$secret$$, $x$a$$b$x$, $1 /* 'c' */"), "select ?, ?, $?");
  EXPECT_EQ(query_shape("select 'open"), "select ?");
  EXPECT_EQ(query_shape(""), "");
  EXPECT_LE(query_shape(std::string(1000, 'x')).size(), kShapeBytesMax);
}

class LedgerTest : public testing::Test {
 protected:
  io::TemporaryDirectory directory_{io::TemporaryDirectory::fast_parent()};
  std::unique_ptr<Ledger> ledger_ = Ledger::open(directory_.file("state.sqlite")).value();
};

TEST_F(LedgerTest, AddsUpByDayStageAndMeter) {
  const std::vector<Usage> some{{20'000, "live", "lambda_requests", 5}, {20'000, "load", "glue_dpu_seconds", 120}};
  ASSERT_TRUE(ledger_->add(some).ok());
  ASSERT_TRUE(ledger_->add(some).ok());
  ASSERT_TRUE(ledger_->add(std::vector<Usage>{{20'001, "live", "lambda_requests", 1}}).ok());
  const auto first = ledger_->usage(20'000, 20'000).value();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].quantity, 10);
  EXPECT_EQ(first[1].quantity, 240);
  EXPECT_EQ(ledger_->usage(20'000, 20'001).value().size(), 3u);
  ASSERT_TRUE(ledger_->add(std::vector<Usage>{{20'000 + kDaysKept + 1, "live", "lambda_requests", 1}}).ok());
  EXPECT_EQ(ledger_->usage(0, 20'000).value().size(), 0u) << "forgotten";
}

TEST_F(LedgerTest, GroupsQueriesByShape) {
  const std::int64_t at = 20'000 * base::kMicrosPerDay;
  ASSERT_TRUE(ledger_->add(QueryUsage{at, "cli", "select a", 100, 5}).ok());
  ASSERT_TRUE(ledger_->add(QueryUsage{at + 1, "api", "select a", 5000, 7}).ok());
  ASSERT_TRUE(ledger_->add(QueryUsage{at + base::kMicrosPerDay, "cli", "select b", 9000, 5}).ok());
  const auto groups = ledger_->queries(20'000, 20'000, 1000, 10).value();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].count, 2);
  EXPECT_EQ(groups[0].scanned_bytes, 5100);
  EXPECT_EQ(groups[0].billed_bytes, 6000) << "each with its minimum";
  EXPECT_EQ(groups[0].took_micros, 12);
  EXPECT_EQ(ledger_->queries(20'000, 20'001, 1000, 10).value()[0].shape, "select b") << "the dearest first";
}

}  // namespace
}  // namespace shoplake::cost
