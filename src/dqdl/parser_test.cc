#include "dqdl/parser.h"

#include <gtest/gtest.h>

#include "dqdl/reference.h"

namespace shoplake::dqdl {
namespace {

TEST(DqdlParserTest, RulesHaveOneSpelling) {
  // What is written, and how it is shown; empty: the same.
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"RowCount > 0", ""},
      {"RowCount=-100", "RowCount = -100"},
      {"RowCount != 100 where \"colA > 100\"", ""},
      {"RowCount between (0.9 * average(last(10))) and 1.1 * avg(last(10))",
       "RowCount between (0.9 * avg(last(10))) and (1.1 * avg(last(10)))"},
      {"RowCount not between 1 and 2", ""},
      {"RowCount > avg(last(10)) * 0.8", ""},
      {"RowCount = last()", ""},
      {"RowCount = last(1)", "RowCount = last()"},
      {"RowCount > index(last(10), 2) + std(last(5))", ""},
      {"RowCount > abs(last() - 5) * -(2 + 3)", ""},
      {"RowCount > 10 - (4 - 3) - 2", ""},
      {"RowCount > max(last(3)) - median(last(5)) / sum(last(2))", ""},
      {"RowCountMatch \"curated.orders\" >= 0.95", ""},
      {"ColumnCount >= 100", ""},
      {"ColumnExists \"load_dt\"", ""},
      {"IsComplete \"order-id\"", ""},
      {"IsComplete order_id", "IsComplete \"order_id\""},
      {"Completeness of col_1 between 0.5 and 0.8", "Completeness \"col_1\" between 0.5 and 0.8"},
      {"Completeness \"a\" > 0.5 where \"b = \\\"x\\\"\"", ""},
      {"IsUnique \"a\" \"b\"", ""},
      {"Uniqueness \"a\" \"b\" > 0.5", ""},
      {"IsPrimaryKey \"a\" \"b c\" where \"x > 1\"", ""},
      {"UniqueValueRatio \"a\" < 0.5", ""},
      {"DistinctValuesCount \"a\" between 10 and 30", ""},
      {"Mean \"col_A-B.CD\" between -20 and -10", ""},
      {"Sum \"a\" > -100.0", ""},
      {"StandardDeviation \"a\" <= 10.0", ""},
      {"Entropy \"a\" < 2", ""},
      {"ColumnLength \"a\" >= 3", ""},
      {"ColumnLength \"a\" in [2, 3] with threshold > 0.9", ""},
      {"ColumnDataType \"a\" = \"INTEGER\" with threshold > 0.9", ""},
      {"ColumnDataType \"a\" in [\"Date\",\"Timestamp\"]", "ColumnDataType \"a\" in [\"Date\", \"Timestamp\"]"},
      {"ColumnValues \"a\" in [\"x\",NULL,EMPTY,WHITESPACES_ONLY]",
       "ColumnValues \"a\" in [\"x\", NULL, EMPTY, WHITESPACES_ONLY]"},
      {"ColumnValues \"a\" not in [1, 2.5]", ""},
      {"ColumnValues \"a\" != NULL", ""},
      {"ColumnValues \"a\" matches \"\\d+-[a-z]*\" with threshold > 0.4", ""},
      {"ColumnValues \"a\" not matches \"\\\\\\\\x\"", "ColumnValues \"a\" not matches \"\\\\\\x\""},
      {"ColumnValues \"a\" between \"2022-06-01\" and \"2022-06-30\"", ""},
      {"ColumnValues \"a\" > (now() - 1 days)", ""},
      {"ColumnValues \"a\" <= now()", ""},
      {"ColumnValues \"a\" between (now() - 3 hours) and (now() + 14 days)", ""},
      {"ColumnValues \"a\" >= min(last(10)) - 1", ""},
      {"ColumnValues \"a\" > 1 with threshold between 0.1 and 0.5 where \"b\"",
       "ColumnValues \"a\" > 1 where \"b\" with threshold between 0.1 and 0.5"},
      {"DataFreshness \"at\" <= 24 hours", ""},
      {"DataFreshness \"at\" between 2 days and 4 days with threshold > 0", ""},
      {"ReferentialIntegrity \"a,b\" \"marts.x.{c,d}\" = 0.99", ""},
      {"ReferentialIntegrity \"a\" \"marts.x.c\" >= 1", ""},
      {"AggregateMatch \"sum(a)\" \"SUM(marts.x.a)\" >= 0.95", ""},
      {"CustomSql \"select count(*) from primary\" between 10 and 20", ""},
      {"CustomSql \"select name from primary where age > 18\"", ""},
      {"CustomSql \"select name from primary\" with threshold > 0.5", ""},
      {"(RowCount > 0) AND ((IsComplete \"a\") or (IsUnique \"a\"))",
       "(RowCount > 0) and ((IsComplete \"a\") or (IsUnique \"a\"))"},
      {"((RowCount > 0))", "RowCount > 0"},
      {"RowCount > 0 # at least one\n", "RowCount > 0"},
  };
  for (const auto& [text, shown] : cases) {
    const auto rule = parse_rule(text);
    ASSERT_TRUE(rule.ok()) << text << ": " << base::to_string(rule.error());
    const std::string spelling = to_string(*rule);
    EXPECT_EQ(spelling, shown.empty() ? text : shown);
    const auto again = parse_rule(spelling);
    ASSERT_TRUE(again.ok()) << spelling << ": " << base::to_string(again.error());
    EXPECT_EQ(to_string(*again), spelling);
  }
}

TEST(DqdlParserTest, SaysWhereAndWhatIsWrong) {
  struct Case {
    std::string_view text, code, message;
  };
  const Case cases[] = {
      {"", "dqdl.syntax", "line 1, column 1: the rule ends where a rule is expected"},
      {"RowCont > 0", "dqdl.unknown_rule", "line 1, column 1: there is no rule type RowCont"},
      {"rowcount > 0", "dqdl.unknown_rule", "line 1, column 1: there is no rule type rowcount"},
      {"DetectAnomalies \"RowCount\"", "dqdl.unsupported",
       "line 1, column 1: DetectAnomalies is a rule type of DQDL that shoplake does not evaluate"},
      {"RowCount", "dqdl.syntax", "line 1, column 1: RowCount needs a condition"},
      {"RowCount >", "dqdl.syntax", "line 1, column 11: the rule ends where a number is expected"},
      {"RowCount > \"5\"", "dqdl.syntax", "line 1, column 12: '5' stands where a number is expected"},
      {"RowCount > 5 5", "dqdl.syntax", "line 1, column 14: '5' follows the rule's end"},
      {"RowCount > 5, RowCount < 9", "dqdl.syntax", "line 1, column 13: only one rule may stand here"},
      {"RowCount > last(10)", "dqdl.syntax",
       "line 1, column 12: last(10) is a list of values where one number is expected"},
      {"RowCount > last(0)", "dqdl.syntax",
       "line 1, column 17: '0' stands where a whole number from 1 to 1000 is expected"},
      {"RowCount > avg(5)", "dqdl.syntax", "line 1, column 16: avg() takes the values of the last runs"},
      {"RowCount > percentile(last(5), 1)", "dqdl.unsupported",
       "line 1, column 12: there is no function or number percentile"},
      {"RowCount \"a\" > 5", "dqdl.syntax", "line 1, column 10: RowCount takes no names in quotes, not 1"},
      {"IsComplete", "dqdl.syntax", "line 1, column 1: IsComplete takes 1 name in quotes, not 0"},
      {"IsComplete \"a\" > 5", "dqdl.syntax", "line 1, column 16: IsComplete takes no condition"},
      {"IsComplete \"a", "dqdl.syntax", "line 1, column 12: the quote that opens here is never closed"},
      {"IsComplete 'a'", "dqdl.syntax", "line 1, column 12: the character ''' has no meaning here"},
      {"Completeness \"a\" > $x", "dqdl.syntax", "line 1, column 20: variables ($name) are not supported"},
      {"Completeness \"a\"\n  between 1 or 2", "dqdl.syntax",
       "line 2, column 13: 'or' stands where the and of between is expected"},
      {"Completeness \"a\" > 1 with threshold > 2", "dqdl.syntax",
       "line 1, column 22: Completeness takes no threshold"},
      {"ColumnValues \"a\" in [1] with ignoreCase = \"true\"", "dqdl.unsupported",
       "line 1, column 25: with ignoreCase is not supported"},
      {"RowCountMatch \"a\" = 1 where \"b\"", "dqdl.syntax", "line 1, column 23: RowCountMatch takes no where"},
      {"ColumnValues \"a\" in []", "dqdl.syntax", "line 1, column 23: the list is empty"},
      {"ColumnValues \"a\" > NULL", "dqdl.syntax", "line 1, column 18: NULL, EMPTY and WHITESPACES_ONLY have no order"},
      {"ColumnValues \"a\" = last()", "dqdl.unsupported",
       "line 1, column 18: last() in ColumnValues goes with <, <=, >, >= and between only"},
      {"ColumnValues \"a\" matches 5", "dqdl.syntax",
       "line 1, column 18: matches compares text with a regular expression in quotes"},
      {"ColumnDataType \"a\" = \"BLOB\"", "dqdl.syntax",
       "line 1, column 20: ColumnDataType knows the types BOOLEAN, DATE, DECIMAL, DOUBLE, FLOAT, INTEGER, LONG, "
       "STRING, "
       "TIMESTAMP"},
      {"DataFreshness \"a\" < 3 weeks", "dqdl.syntax",
       "line 1, column 23: 'weeks' stands where minutes, hours or days is expected"},
      {"ReferentialIntegrity \"a\" \"b\" = 1", "dqdl.syntax",
       "line 1, column 26: \"b\" names no column of another table"},
      {"ReferentialIntegrity \"a,b\" \"m.x.c\" = 1", "dqdl.syntax",
       "line 1, column 28: the two sides of ReferentialIntegrity have different numbers of columns"},
      {"AggregateMatch \"sum(a)\" \"min(b)\" = 1", "dqdl.syntax",
       "line 1, column 25: \"min(b)\" is no sum or avg of a column"},
      {"CustomSql \"select 1\" > 0 with threshold > 1", "dqdl.syntax",
       "line 1, column 1: CustomSql has a condition and a threshold"},
      {"(RowCount > 0) and RowCount < 5", "dqdl.syntax",
       "line 1, column 20: 'RowCount' stands where a rule in parentheses is expected"},
      {"(RowCount > 0) and (RowCount > 1) or (RowCount > 2)", "dqdl.syntax",
       "line 1, column 35: and and or stand side by side"},
  };
  for (const Case& each : cases) {
    const auto rule = parse_rule(each.text);
    ASSERT_FALSE(rule.ok()) << each.text;
    EXPECT_EQ(rule.error().code, each.code) << each.text;
    EXPECT_EQ(rule.error().message, each.message) << each.text;
    EXPECT_EQ(rule.error().kind, base::ErrorKind::usage);
  }
}

TEST(DqdlParserTest, PlacesAreThoseOfTheFile) {
  const auto rule = parse_rule("(RowCount > 0)\nand (RowCont > 1)", {"quality/x.yml", 7, 5, 4});
  ASSERT_FALSE(rule.ok());
  EXPECT_EQ(rule.error().message, "quality/x.yml:8:10: there is no rule type RowCont");
  EXPECT_EQ(rule.error().advice, "Did you mean RowCount?");
}

TEST(DqdlParserTest, DepthAndSizeAreBounded) {
  std::string deep;
  for (int at = 0; at < 1000; ++at)
    deep += "(";
  EXPECT_FALSE(parse_rule(deep + "RowCount > 0").ok());
  EXPECT_FALSE(parse_rule("RowCount > " + deep + "1").ok());
  EXPECT_FALSE(parse_rule("RowCount > " + std::string(1000, '-') + "last()").ok());
  EXPECT_FALSE(parse_rule(std::string(kRuleBytesMax + 1, ' ')).ok());
}

TEST(DqdlParserTest, Documents) {
  const auto rules = parse_rules("Rules = [ IsComplete \"order-id\", # the key\n IsUnique \"order-id\" ]");
  ASSERT_TRUE(rules.ok()) << base::to_string(rules.error());
  ASSERT_EQ(rules->size(), 2u);
  EXPECT_EQ(to_string((*rules)[1]), "IsUnique \"order-id\"");
  EXPECT_TRUE(parse_rules("Rules = []").ok());
  EXPECT_FALSE(parse_rules("Analyzers = [ RowCount ]").ok());
  EXPECT_FALSE(parse_rules("Rules = [ RowCount > 0 ] x").ok());
}

std::optional<double> value(std::string_view text, std::vector<double> history) {
  const auto rule = parse_rule("RowCount > " + std::string(text));
  EXPECT_TRUE(rule.ok()) << text;
  return evaluate(std::get<NumberExpression>(rule->condition->operands[0]), history);
}

TEST(DqdlNumberTest, LooksBackAtTheLastRuns) {
  const std::vector<double> history{10, 20, 40, 30};  // newest first
  EXPECT_EQ(value("last()", history), 10);
  EXPECT_EQ(value("avg(last(2)) * 2", history), 30);
  EXPECT_EQ(value("avg(last(10))", history), 25);
  EXPECT_EQ(value("min(last(3)) + max(last(3))", history), 50);
  EXPECT_EQ(value("median(last(4))", history), 25);
  EXPECT_EQ(value("median(last(3))", history), 20);
  EXPECT_EQ(value("sum(last(4))", history), 100);
  EXPECT_EQ(value("std(last(2))", history), 5);
  EXPECT_EQ(value("index(last(3), 1)", history), 20);
  EXPECT_EQ(value("index(last(2), 2)", history), std::nullopt);
  EXPECT_EQ(value("abs(last() - 25)", history), 15);
  EXPECT_EQ(value("1 - 2 - 3", {}), -4);
  EXPECT_EQ(value("8 / 2 / 2 * 3", {}), 6);
  EXPECT_EQ(value("-(2 + 3)", {}), -5);
  EXPECT_EQ(value("last()", {}), std::nullopt);
  EXPECT_EQ(value("1 / (last() - 10)", history), std::nullopt);
}

TEST(DqdlReferenceTest, NamesColumnsOfOtherTables) {
  const auto one = parse_reference("marts.dim_user.user_key");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->table, "marts.dim_user");
  EXPECT_EQ(one->columns, std::vector<std::string>{"user_key"});
  const auto two = parse_reference("reference.{a , b}");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->table, "reference");
  EXPECT_EQ(two->columns, (std::vector<std::string>{"a", "b"}));
  for (const char* bad : {"", "a", ".a", "a.", "a.{}", "a.{b,}", "{a}"})
    EXPECT_FALSE(parse_reference(bad)) << bad;
  const auto sum = parse_column_aggregate("SUM( marts.x.amount )");
  ASSERT_TRUE(sum);
  EXPECT_FALSE(sum->is_average);
  EXPECT_EQ(sum->table, "marts.x");
  EXPECT_EQ(sum->column, "amount");
  for (const char* bad : {"amount", "count(a)", "sum()", "sum(.a)", "sum(a"})
    EXPECT_FALSE(parse_column_aggregate(bad)) << bad;
}

Rule rule_of(const char* text) {
  auto rule = parse_rule(text);
  EXPECT_TRUE(rule.ok()) << text;
  return std::move(rule).value();
}

TEST(DqdlRuleTest, KnowsWhatIsAskedOfRowsOneByOne) {
  for (const char* text :
       {"IsComplete \"a\"", "Completeness \"a\" > 0.9", "ColumnValues \"a\" > 0", "ColumnLength \"a\" = 3",
        "ColumnDataType \"a\" = \"INTEGER\"", "DataFreshness \"a\" <= 3 days",
        "ReferentialIntegrity \"a\" \"x.y.a\" = 1", "(IsComplete \"a\") or (ColumnValues \"a\" in [1, 2])"})
    EXPECT_TRUE(asks_each_row(rule_of(text))) << text;
  for (const char* text :
       {"RowCount > 0", "IsUnique \"a\"", "IsPrimaryKey \"a\"", "Mean \"a\" > 0", "Sum \"a\" > 0",
        "DistinctValuesCount \"a\" > 0", "CustomSql \"select 1\" = 1", "Completeness \"a\" >= last()",
        "(IsComplete \"a\") and (RowCount > 0)", "ColumnValues \"a\" < 3 with threshold > avg(last(3))"})
    EXPECT_FALSE(asks_each_row(rule_of(text))) << text;
}

TEST(DqdlRuleTest, KnowsWhatDependsOnMoreThanTheRows) {
  for (const char* text : {"RowCount > 0", "IsUnique \"a\"", "ColumnValues \"a\" > \"2026-01-01\"",
                           "ColumnValues \"last(\" = \"current\"", "(RowCount > 0) and (Sum \"customsql\" > 0)"})
    EXPECT_TRUE(asks_own_rows_only(rule_of(text))) << text;
  for (const char* text :
       {"DataFreshness \"a\" <= 3 days", "ColumnValues \"a\" > (now() - 3 days)", "ColumnValues \"a\" < now()",
        "RowCount >= last()", "ReferentialIntegrity \"a\" \"x.y.a\" = 1", "RowCountMatch \"x.y\" = 1",
        "AggregateMatch \"sum(a)\" \"sum(x.y.a)\" = 1", "CustomSql \"select 1\" = 1",
        "(RowCount > 0) or (RowCount > avg(last(3)))", "ColumnValues \"a\" < 3 with threshold > last()"})
    EXPECT_FALSE(asks_own_rows_only(rule_of(text))) << text;
}

}  // namespace
}  // namespace shoplake::dqdl
