#include "quality/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "quality/custom_sql.h"

namespace shoplake::quality {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 2026-03-01 12:00:00 UTC.
constexpr std::int64_t kNow = 1'772'366'400'000'000;

class EvaluatorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto database = engine::Database::open({.extension_directory = SHOPLAKE_DEPS_DIR "/extensions",
                                            .temporary_directory = testing::TempDir() + "quality_evaluator",
                                            .memory_limit_bytes = 0,
                                            .threads = 2});
    ASSERT_TRUE(database.ok()) << base::to_string(database.error());
    database_ = std::move(database).value().release();
    session_ = std::move(database_->connect()).value().release();
    const auto made = session_->execute(R"(
      CREATE SCHEMA marts;
      CREATE TABLE marts.orders AS SELECT * FROM (VALUES
        (1, 10,   'a',    2.5,  DATE '2026-02-27', TIMESTAMP '2026-03-01 11:00', '20260301', 'x@example.com', true),
        (2, 10,   'b',    7.5,  DATE '2026-02-28', TIMESTAMP '2026-03-01 10:00', '2026-02-28', 'y@example.com', true),
        (3, 11,   '',     NULL, DATE '2026-03-01', TIMESTAMP '2026-02-20 00:00', 'never', 'x@example.com', false),
        (4, NULL, '  ',   10.0, DATE '2026-03-01', NULL, '5', NULL, false),
        (5, 99,   NULL,   0.0,  NULL, TIMESTAMP '2026-03-01 12:00', '-17', 'z@example.com', NULL))
        t(id, customer, code, amount, day, "at", mixed, email, paid);
      CREATE TABLE marts.nothing AS SELECT * FROM marts.orders WHERE false;
      CREATE TABLE marts.customers AS SELECT * FROM (VALUES (10, 'n'), (11, 'm'), (NULL, 'o')) t(id, name);
      CREATE TABLE marts.totals AS SELECT 20.0 AS amount;
      CREATE TABLE marts.pairs AS SELECT * FROM (VALUES (1, 1), (1, 2), (1, 2), (2, NULL), (2, NULL), (NULL, NULL)) t(a, b);
    )");
    ASSERT_TRUE(made.ok()) << base::to_string(made.error());
  }
  static void TearDownTestSuite() {
    delete session_;
    delete database_;
  }

  std::vector<RuleResult> results(const std::vector<std::string>& texts, const std::string& table = "marts.orders") {
    std::vector<QualityRule> rules;
    for (const std::string& text : texts) {
      RuleText given;
      given.text = text;
      given.severity = Severity::block;
      auto rule = make_rule(given);
      EXPECT_TRUE(rule.ok()) << base::to_string(rule.error());
      rules.push_back(std::move(rule).value());
    }
    EvaluatorOptions options;
    options.env = &io::posix_env();
    options.session = session_;
    options.now_micros = kNow;
    options.hidden_columns = {"email"};
    options.history = [this](std::string_view, std::string_view metric,
                             std::int64_t runs) -> Result<std::vector<double>> {
      asked_.push_back(std::string(metric) + " " + std::to_string(runs));
      const auto found = history_.find(std::string(metric));
      return found == history_.end() ? std::vector<double>() : found->second;
    };
    auto evaluated = evaluate(options, {table, table}, rules);
    EXPECT_TRUE(evaluated.ok()) << base::to_string(evaluated.error());
    return std::move(evaluated).value();
  }
  RuleResult result(const std::string& text, const std::string& table = "marts.orders") {
    return results({text}, table)[0];
  }

  static engine::Database* database_;
  static engine::Session* session_;
  std::map<std::string, std::vector<double>> history_;
  std::vector<std::string> asked_;
};
engine::Database* EvaluatorTest::database_ = nullptr;
engine::Session* EvaluatorTest::session_ = nullptr;

// Rule, outcome, and its first metric as "name = value".
struct Case {
  const char* rule;
  const char* outcome;
  const char* metric;
};

std::string first_metric(const RuleResult& result) {
  if (result.metrics.empty())
    return "";
  char text[64];
  std::snprintf(text, sizeof text, "%.4g", result.metrics[0].value);
  return result.metrics[0].name + " = " + text;
}

constexpr Case kOrders[] = {
    {"RowCount = 5", "pass", "Dataset.*.RowCount = 5"},
    {"RowCount > 5", "fail", "Dataset.*.RowCount = 5"},
    {"RowCount = 2 where \"customer = 10\"", "pass", "Dataset.*.RowCount where customer = 10 = 2"},
    {"RowCount between 5 and 9", "fail", "Dataset.*.RowCount = 5"},
    {"RowCount not between 5 and 9", "pass", "Dataset.*.RowCount = 5"},
    {"RowCount in [4, 5]", "pass", "Dataset.*.RowCount = 5"},
    {"ColumnCount = 9", "pass", "Dataset.*.ColumnCount = 9"},
    {"ColumnExists \"ID\"", "pass", ""},
    {"ColumnExists \"idd\"", "fail", ""},
    {"IsComplete \"id\"", "pass", "Column.[id].Completeness = 1"},
    {"IsComplete \"amount\"", "fail", "Column.[amount].Completeness = 0.8"},
    {"IsComplete \"amount\" where \"id <> 3\"", "pass", "Column.[amount].Completeness where id <> 3 = 1"},
    {"Completeness \"amount\" >= 0.8", "pass", "Column.[amount].Completeness = 0.8"},
    {"IsUnique \"id\"", "pass", "Column.[id].Uniqueness = 1"},
    {"IsUnique \"customer\"", "fail", "Column.[customer].Uniqueness = 0.5"},
    {"Uniqueness \"customer\" > 0.4", "pass", "Column.[customer].Uniqueness = 0.5"},
    {"Uniqueness \"customer\" \"code\" = 1", "pass", "Multicolumn.[customer,code].Uniqueness = 1"},
    {"UniqueValueRatio \"customer\" > 0.6", "pass", "Column.[customer].UniqueValueRatio = 0.6667"},
    {"DistinctValuesCount \"customer\" = 3", "pass", "Column.[customer].DistinctValuesCount = 3"},
    {"Entropy \"customer\" between 1.03 and 1.05", "pass", "Column.[customer].Entropy = 1.04"},
    {"IsPrimaryKey \"id\"", "pass", "Column.[id].Uniqueness = 1"},
    {"IsPrimaryKey \"customer\"", "fail", "Column.[customer].Uniqueness = 0.5"},
    {"Mean \"amount\" = 5", "pass", "Column.[amount].Mean = 5"},
    {"Sum \"amount\" = 20", "pass", "Column.[amount].Sum = 20"},
    {"StandardDeviation \"amount\" between 3.9 and 4", "pass", "Column.[amount].StandardDeviation = 3.953"},
    {"Mean \"code\" > 1", "error", ""},
    {"Mean \"nowhere\" > 1", "error", ""},
    // values
    {"ColumnValues \"id\" > 0", "pass", "Column.[id].ColumnValues.Compliance = 1"},
    {"ColumnValues \"id\" between 0 and 6", "pass", "Column.[id].ColumnValues.Compliance = 1"},
    {"ColumnValues \"id\" between 1 and 6", "fail", "Column.[id].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"id\" not between 6 and 9", "pass", "Column.[id].ColumnValues.Compliance = 1"},
    {"ColumnValues \"amount\" >= 0", "fail", "Column.[amount].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"amount\" >= 0 with threshold > 0.7", "pass", "Column.[amount].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"amount\" >= 0 where \"amount is not null\"", "pass",
     "Column.[amount].ColumnValues.Compliance where amount is not null = 1"},
    {"ColumnValues \"customer\" in [10, 11, 99, NULL]", "pass", "Column.[customer].ColumnValues.Compliance = 1"},
    {"ColumnValues \"customer\" in [10, 11, 99]", "fail", "Column.[customer].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"customer\" in [\"10\", \"11\", \"99\", NULL]", "pass",
     "Column.[customer].ColumnValues.Compliance = 1"},
    {"ColumnValues \"customer\" != 12", "pass", "Column.[customer].ColumnValues.Compliance = 1"},
    {"ColumnValues \"customer\" != NULL", "fail", "Column.[customer].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"customer\" not in [99]", "fail", "Column.[customer].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"customer\" not in [99, NULL]", "fail", "Column.[customer].ColumnValues.Compliance = 0.6"},
    {"ColumnValues \"code\" in [\"a\", \"b\", NULL, EMPTY, WHITESPACES_ONLY]", "pass",
     "Column.[code].ColumnValues.Compliance = 1"},
    {"ColumnValues \"code\" != EMPTY", "fail", "Column.[code].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"code\" = WHITESPACES_ONLY", "fail", "Column.[code].ColumnValues.Compliance = 0.2"},
    {"ColumnValues \"code\" matches \"[a-z ]*\" with threshold = 0.8", "pass",
     "Column.[code].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"code\" not matches \"a|b\" with threshold = 0.4", "pass",
     "Column.[code].ColumnValues.Compliance = 0.4"},
    {"ColumnValues \"mixed\" matches \"-?\\d+\" with threshold = 0.6", "pass",
     "Column.[mixed].ColumnValues.Compliance = 0.6"},
    {"ColumnValues \"code\" matches \"(\"", "error", ""},
    {"ColumnValues \"mixed\" < 0 with threshold = 0.2", "pass", "Column.[mixed].ColumnValues.Compliance = 0.2"},
    {"ColumnValues \"paid\" in [\"true\", \"false\", NULL]", "pass", "Column.[paid].ColumnValues.Compliance = 1"},
    {"ColumnValues \"paid\" > 0", "error", ""},
    {"ColumnValues \"day\" > \"2026-02-26\" with threshold = 0.8", "pass",
     "Column.[day].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"day\" in [\"2026-03-01\"] with threshold = 0.4", "pass",
     "Column.[day].ColumnValues.Compliance = 0.4"},
    {"ColumnValues \"day\" > \"yesterday\"", "error", ""},
    {"ColumnValues \"day\" > 5", "error", ""},
    {"ColumnValues \"at\" > (now() - 2 hours) with threshold = 0.4", "pass",
     "Column.[at].ColumnValues.Compliance = 0.4"},
    {"ColumnValues \"at\" <= now() with threshold = 0.8", "pass", "Column.[at].ColumnValues.Compliance = 0.8"},
    {"ColumnValues \"mixed\" >= \"2026-02-28\" with threshold = 0.4", "pass",
     "Column.[mixed].ColumnValues.Compliance = 0.4"},
    {"ColumnLength \"code\" <= 2", "pass", "Column.[code].ColumnLength.Compliance = 1"},
    {"ColumnLength \"code\" in [0, 1]", "fail", "Column.[code].ColumnLength.Compliance = 0.8"},
    {"ColumnDataType \"mixed\" = \"Integer\" with threshold = 0.6", "pass",
     "Column.[mixed].ColumnDataType.Compliance = 0.6"},
    {"ColumnDataType \"mixed\" in [\"INTEGER\", \"DATE\"] with threshold = 0.8", "pass",
     "Column.[mixed].ColumnDataType.Compliance = 0.8"},
    {"DataFreshness \"at\" <= 24 hours", "fail", "Column.[at].DataFreshness.Compliance = 0.6"},
    {"DataFreshness \"at\" <= 24 hours with threshold > 0", "pass", "Column.[at].DataFreshness.Compliance = 0.6"},
    {"DataFreshness \"day\" < 2 days where \"day is not null\" with threshold > 0.7", "pass",
     "Column.[day].DataFreshness.Compliance where day is not null = 0.75"},
    {"DataFreshness \"id\" < 2 days", "error", ""},
    // other tables
    {"ReferentialIntegrity \"customer\" \"marts.customers.id\" = 1", "fail",
     "Column.[customer].ReferentialIntegrity = 0.6"},
    {"ReferentialIntegrity \"customer\" \"marts.customers.id\" = 1 where \"customer < 50\"", "pass",
     "Column.[customer].ReferentialIntegrity where customer < 50 = 1"},
    {"ReferentialIntegrity \"customer\" \"marts.nowhere.id\" = 1", "error", ""},
    {"ReferentialIntegrity \"customer\" \"marts.customers.{nowhere}\" = 1", "error", ""},
    {"RowCountMatch \"marts.customers\" > 1.6", "pass", "Dataset.*.RowCountMatch = 1.667"},
    {"RowCountMatch \"marts.nothing\" > 1.6", "error", ""},
    {"AggregateMatch \"sum(amount)\" \"sum(marts.totals.amount)\" = 1", "pass", "Column.[amount].AggregateMatch = 1"},
    {"AggregateMatch \"avg(id)\" \"sum(amount)\" < 0.2", "pass", "Column.[id,amount].AggregateMatch = 0.15"},
    {"CustomSql \"select count(*) from primary where primary.id > 1\" = 4", "pass", "Dataset.*.CustomSQL = 4"},
    {"CustomSql \"with x as (select * from marts.orders) select sum(id) from x;\" = 15", "pass",
     "Dataset.*.CustomSQL = 15"},
    {"CustomSql \"select id from primary where amount >= 0\" with threshold = 0.8", "pass",
     "Dataset.*.CustomSQL.Compliance = 0.8"},
    {"CustomSql \"select id from primary where amount >= 0\"", "fail", "Dataset.*.CustomSQL.Compliance = 0.8"},
    {"CustomSql \"select id from primary\" > 1", "error", ""},
    {"CustomSql \"select id from primary, range(3)\"", "error", ""},
    {"CustomSql \"drop table marts.orders\" > 1", "error", ""},
    {"CustomSql \"select NULL\" > 1", "error", ""},
    {"CustomSql \"select\" > 1", "error", ""},
    // filters
    {"RowCount > 0 where \"nowhere = 1\"", "error", ""},
    {"RowCount > 0 where \"1 = \"", "error", ""},
    {"RowCount = 3 where \"customer = 10 or id = 5 -- and no more\"", "pass",
     "Dataset.*.RowCount where customer = 10 or id = 5 -- and no more = 3"},
    // composite
    {"(RowCount > 0) and (IsComplete \"id\")", "pass", "Dataset.*.RowCount = 5"},
    {"(RowCount > 9) or (IsComplete \"amount\")", "fail", "Dataset.*.RowCount = 5"},
    {"(RowCount > 9) or ((IsComplete \"id\") and (IsUnique \"id\"))", "pass", "Dataset.*.RowCount = 5"},
    {"(RowCount > 0) or (IsComplete \"nowhere\")", "error", "Dataset.*.RowCount = 5"},
};

constexpr Case kNothing[] = {
    {"RowCount = 0", "pass", "Dataset.*.RowCount = 0"},
    {"IsComplete \"id\"", "pass", "Column.[id].Completeness = 1"},
    {"Uniqueness \"id\" = 1", "pass", "Column.[id].Uniqueness = 1"},
    {"IsPrimaryKey \"id\"", "pass", "Column.[id].Uniqueness = 1"},
    {"UniqueValueRatio \"id\" = 1", "pass", "Column.[id].UniqueValueRatio = 1"},
    {"DistinctValuesCount \"id\" = 0", "pass", "Column.[id].DistinctValuesCount = 0"},
    {"Entropy \"id\" = 0", "pass", "Column.[id].Entropy = 0"},
    {"ColumnValues \"id\" > 9", "pass", "Column.[id].ColumnValues.Compliance = 1"},
    {"Sum \"amount\" = 0", "pass", "Column.[amount].Sum = 0"},
    {"Mean \"amount\" = 0", "error", ""},
    {"StandardDeviation \"amount\" = 0", "error", ""},
    {"DataFreshness \"at\" <= 24 hours", "error", ""},
    {"ReferentialIntegrity \"customer\" \"marts.customers.id\" = 1", "pass",
     "Column.[customer].ReferentialIntegrity = 1"},
    {"RowCountMatch \"marts.nothing\" = 1", "pass", "Dataset.*.RowCountMatch = 1"},
};

constexpr Case kPairs[] = {
    {"IsPrimaryKey \"a\" \"b\"", "fail", "Multicolumn.[a,b].Uniqueness = 0.2"},
    {"IsUnique \"a\" \"b\" where \"b = 1\"", "pass", "Multicolumn.[a,b].Uniqueness where b = 1 = 1"},
    {"Uniqueness \"a\" \"b\" = 0.2", "pass", "Multicolumn.[a,b].Uniqueness = 0.2"},
    {"ReferentialIntegrity \"a,b\" \"marts.pairs.{a,b}\" = 0.5", "pass",
     "Multicolumn.[a,b].ReferentialIntegrity = 0.5"},
};

TEST_F(EvaluatorTest, EachRuleHasItsOutcomeAloneAndAmongOthers) {
  const std::pair<std::string, std::span<const Case>> tables[] = {
      {"marts.orders", kOrders}, {"marts.nothing", kNothing}, {"marts.pairs", kPairs}};
  for (const auto& [table, cases] : tables) {
    std::vector<std::string> texts;
    for (const Case& each : cases) {
      texts.emplace_back(each.rule);
      const RuleResult alone = result(each.rule, table);
      EXPECT_EQ(name(alone.outcome), each.outcome) << each.rule << ": " << alone.message;
      EXPECT_EQ(first_metric(alone), each.metric) << each.rule << ": " << alone.message;
      EXPECT_EQ(alone.message.empty(), alone.outcome == Outcome::pass) << each.rule << ": " << alone.message;
      EXPECT_EQ(is_blocking(alone), alone.outcome != Outcome::pass) << each.rule;
    }
    const std::vector<RuleResult> together = results(texts, table);
    for (std::size_t at = 0; at < cases.size(); ++at) {
      EXPECT_EQ(name(together[at].outcome), cases[at].outcome) << cases[at].rule << ": " << together[at].message;
      EXPECT_EQ(first_metric(together[at]), cases[at].metric) << cases[at].rule;
    }
  }
}

TEST_F(EvaluatorTest, FailuresSayHowManyRowsAndShowSome) {
  const RuleResult values = result("ColumnValues \"customer\" in [10, 11]");
  EXPECT_EQ(values.message,
            "Column.[customer].ColumnValues.Compliance is 0.6, not = 1: 2 of 5 rows do not satisfy in [10, 11]");
  EXPECT_EQ(values.failed_rows, 2);
  EXPECT_THAT(values.examples, ElementsAre("{\"customer\":\"99\"}", "{\"customer\":null}"));

  const RuleResult unique = result("IsUnique \"customer\"");
  EXPECT_EQ(unique.failed_rows, 2);
  EXPECT_THAT(unique.examples, ElementsAre("{\"customer\":\"10\",\"rows\":2}"));

  const RuleResult reference = result("ReferentialIntegrity \"customer\" \"marts.customers.id\" = 1");
  EXPECT_EQ(reference.failed_rows, 2);
  EXPECT_THAT(reference.examples, ElementsAre("{\"customer\":\"99\",\"rows\":1}", "{\"customer\":null,\"rows\":1}"));

  const RuleResult missing = result("IsComplete \"amuont\"");
  EXPECT_EQ(missing.message, "marts.orders has no column amuont. Did you mean amount?");

  const RuleResult fresh = result("DataFreshness \"at\" <= 24 hours");
  EXPECT_THAT(fresh.message, HasSubstr("2 of 5 rows are not <= 24 hours old; the newest is 0.0 hours old"));
}

TEST_F(EvaluatorTest, KeysIdentifyExamplesAndPersonalDataIsNotShown) {
  const auto found = results({"IsPrimaryKey \"id\"", "ColumnValues \"amount\" < 10", "IsUnique \"email\"",
                              "ColumnValues \"email\" matches \"y.*\""});
  EXPECT_THAT(found[1].examples, ElementsAre("{\"amount\":\"10.0\",\"id\":\"4\"}", "{\"amount\":null,\"id\":\"3\"}"));
  EXPECT_EQ(found[2].outcome, Outcome::fail);
  EXPECT_TRUE(found[2].examples.empty());
  EXPECT_THAT(found[3].examples, ElementsAre("{\"id\":\"1\"}", "{\"id\":\"3\"}", "{\"id\":\"4\"}", "{\"id\":\"5\"}"));
}

TEST_F(EvaluatorTest, LooksBackAtEarlierRuns) {
  RuleResult first = result("RowCount > avg(last(10)) * 0.8");
  EXPECT_EQ(first.outcome, Outcome::skipped);
  EXPECT_EQ(first_metric(first), "Dataset.*.RowCount = 5");
  EXPECT_FALSE(is_blocking(first));
  EXPECT_THAT(first.message, HasSubstr("this run is what the next one compares with"));
  EXPECT_THAT(asked_, ElementsAre("Dataset.*.RowCount 10"));

  history_["Dataset.*.RowCount"] = {4, 8};
  EXPECT_EQ(result("RowCount > avg(last(10)) * 0.8").outcome, Outcome::pass);
  const RuleResult fewer = result("RowCount > avg(last(10))");
  EXPECT_EQ(fewer.outcome, Outcome::fail);
  EXPECT_EQ(fewer.message, "Dataset.*.RowCount is 5, not > 6 (> avg(last(10)))");
  EXPECT_EQ(result("RowCount between min(last(3)) and max(last(3))").outcome, Outcome::pass);

  history_["Column.[amount].Maximum"] = {9};
  history_["Column.[amount].Minimum"] = {0};
  EXPECT_EQ(result("ColumnValues \"amount\" <= max(last(3)) * 2 where \"id <> 3\"").outcome, Outcome::skipped);
  history_["Column.[amount].Maximum where id <> 3"] = {9};
  EXPECT_EQ(result("ColumnValues \"amount\" <= max(last(3)) * 2 where \"id <> 3\"").outcome, Outcome::pass);
  const RuleResult outlier = result("ColumnValues \"amount\" between last() - 1 and last() + 1");
  EXPECT_EQ(outlier.outcome, Outcome::fail);
  ASSERT_EQ(outlier.metrics.size(), 3u);
  EXPECT_EQ(outlier.metrics[1].name, "Column.[amount].Minimum");
  EXPECT_EQ(outlier.metrics[2].value, 10);

  history_.clear();
  EXPECT_EQ(result("(RowCount = last()) and (RowCount > 5)").outcome, Outcome::fail);
  EXPECT_EQ(result("(RowCount = last()) and (RowCount > 1)").outcome, Outcome::skipped);
  EXPECT_EQ(result("(RowCount = last()) or (RowCount > 1)").outcome, Outcome::pass);
}

TEST_F(EvaluatorTest, ARelationThatCannotBeReadIsAnErrorOfEachRule) {
  const auto found = results({"RowCount > 0", "ColumnExists \"id\""}, "marts.nowhere");
  EXPECT_EQ(found[0].outcome, Outcome::error);
  EXPECT_EQ(found[1].outcome, Outcome::error);
  EXPECT_THAT(found[0].message, HasSubstr("nowhere"));
}

TEST(CustomSqlTest, NamesThePrimaryTable) {
  const std::pair<const char*, const char*> cases[] = {
      {"select 1 from primary ; ", "select 1 from \"primary\""},
      {"select PRIMARY.a from Marts.Orders", "select \"primary\".a from \"primary\""},
      {"select marts.orders.a from marts.orders_old", "select \"primary\".a from marts.orders_old"},
      {"select x.primary, 'primary', \"primary\" -- primary\n, $$primary$$ /* primary */ from primary_",
       "select x.primary, 'primary', \"primary\" -- primary\n, $$primary$$ /* primary */ from primary_"},
      {"select * from lake.marts.orders", "select * from lake.marts.orders"},
  };
  for (const auto& [sql, named] : cases)
    EXPECT_EQ(name_primary(sql, "marts.orders"), named);
}

}  // namespace
}  // namespace shoplake::quality
