#include "quality/file_proof.h"

#include <gtest/gtest.h>

#include "catalog/single_value.h"

namespace shoplake::quality {
namespace {

class FileProofTest : public testing::Test {
 protected:
  FileProofTest() {
    schema_.fields = {{1, "id", catalog::Type::primitive("long"), false, {}},
                      {2, "price", catalog::Type::primitive("decimal(9,2)"), false, {}},
                      {3, "name", catalog::Type::primitive("string"), false, {}},
                      {4, "rate", catalog::Type::primitive("double"), false, {}}};
    staged_.schema = &schema_;
  }

  // One file of `rows` rows: ids from `min` to `max`, prices 0.50 to 2.00, `nulls` names missing.
  transform::DataFile file(std::int64_t rows, std::int64_t min, std::int64_t max, std::int64_t nulls) const {
    transform::DataFile file;
    file.record_count = rows;
    const auto column = [&](std::int32_t id, std::int64_t missing, const std::string& lower, const std::string& upper) {
      transform::ColumnStatistics statistics;
      statistics.field_id = id;
      statistics.value_count = rows;
      statistics.null_count = missing;
      if (missing < rows) {
        statistics.lower_bound = lower;
        statistics.upper_bound = upper;
      }
      file.columns.push_back(statistics);
    };
    column(1, 0, catalog::encode_long(min), catalog::encode_long(max));
    column(2, 0, catalog::single_value_from_text("decimal(9,2)", "0.50").value(),
           catalog::single_value_from_text("decimal(9,2)", "2.00").value());
    column(3, nulls, "a", "b");
    column(4, 0, catalog::single_value_from_text("double", "1").value(),
           catalog::single_value_from_text("double", "2").value());
    return file;
  }

  bool proves(const std::string& text, bool asks_new_rows = true) const {
    RuleText given;
    given.text = text;
    QualityRule rule = make_rule(given).value();
    rule.asks_new_rows = asks_new_rows;
    return is_proved(rule, staged_);
  }

  catalog::Schema schema_;
  StagedRows staged_;
};

TEST_F(FileProofTest, NullsAreCounted) {
  const transform::DataFile one = file(10, 1, 5, 0), other = file(10, 3, 9, 4);
  staged_.files = {&one, &other};
  EXPECT_TRUE(proves("IsComplete \"id\""));
  EXPECT_TRUE(proves("IsComplete \"ID\""));
  EXPECT_FALSE(proves("IsComplete \"name\""));
  EXPECT_TRUE(proves("Completeness \"name\" >= 0.8"));
  EXPECT_FALSE(proves("Completeness \"name\" > 0.8"));
  EXPECT_FALSE(proves("IsComplete \"nowhere\"")) << "that is an error, which the engine tells";
  EXPECT_FALSE(proves("IsComplete \"id\"", false)) << "of rows that the files do not hold";
  EXPECT_FALSE(proves("IsComplete \"id\" where \"id > 0\""));
}

TEST_F(FileProofTest, NumbersAreWithinTheirBounds) {
  const transform::DataFile one = file(10, 1, 5, 0), other = file(10, 3, 9, 0);
  staged_.files = {&one, &other};
  EXPECT_TRUE(proves("ColumnValues \"id\" > 0"));
  EXPECT_FALSE(proves("ColumnValues \"id\" > 1"));
  EXPECT_TRUE(proves("ColumnValues \"id\" <= 9"));
  EXPECT_TRUE(proves("ColumnValues \"id\" between 0 and 10"));
  EXPECT_FALSE(proves("ColumnValues \"id\" between 1 and 10")) << "both ends are excluded";
  EXPECT_TRUE(proves("ColumnValues \"id\" in [1, 2, 3, 4, 5, 6, 7, 8, 9]"));
  EXPECT_FALSE(proves("ColumnValues \"id\" in [1, 2, 3, 4, 5, 6, 7, 9]"));
  EXPECT_TRUE(proves("ColumnValues \"price\" >= 0.5"));
  EXPECT_FALSE(proves("ColumnValues \"price\" > 0.5"));
  EXPECT_FALSE(proves("ColumnValues \"price\" in [0.5, 2]")) << "there may be others between";
  EXPECT_TRUE(proves("(ColumnValues \"id\" > 0) and (IsComplete \"name\")"));
  EXPECT_FALSE(proves("(ColumnValues \"id\" > 5) or (IsComplete \"name\")"));
  // What bounds do not say beyond doubt.
  for (const char* text : {"ColumnValues \"id\" != 0", "ColumnValues \"id\" > 0 with threshold > 0.5",
                           "ColumnValues \"id\" > \"0\"", "ColumnValues \"name\" > 0", "ColumnValues \"rate\" > 0",
                           "ColumnValues \"id\" < now()", "IsUnique \"id\"", "ColumnLength \"name\" = 1"})
    EXPECT_FALSE(proves(text)) << text;
}

TEST_F(FileProofTest, NullSatisfiesNoComparison) {
  transform::DataFile one = file(10, 1, 5, 0);
  one.columns[0].null_count = 1;
  staged_.files = {&one};
  EXPECT_FALSE(proves("ColumnValues \"id\" > 0"));
}

TEST_F(FileProofTest, MissingStatisticsProveNothing) {
  transform::DataFile one = file(10, 1, 5, 0);
  one.columns[0].lower_bound.reset();
  staged_.files = {&one};
  EXPECT_FALSE(proves("ColumnValues \"id\" < 9"));
  EXPECT_TRUE(proves("IsComplete \"id\""));
  one.columns[0].value_count = 9;
  EXPECT_FALSE(proves("IsComplete \"id\""));
  one.columns.clear();
  EXPECT_FALSE(proves("IsComplete \"id\""));
  staged_.schema = nullptr;
  EXPECT_FALSE(proves("IsComplete \"id\""));
}

TEST_F(FileProofTest, NumbersThatDoublesDoNotHoldAreLeftToTheEngine) {
  const transform::DataFile one = file(2, 1, 9'007'199'254'740'993, 0);
  staged_.files = {&one};
  EXPECT_FALSE(proves("ColumnValues \"id\" <= 9007199254740992"));
}

TEST_F(FileProofTest, RowsOfTheTableAreBetweenTwoNumbers) {
  staged_.table_rows_min = 10;
  staged_.table_rows_max = 30;
  EXPECT_TRUE(proves("RowCount > 9", false));
  EXPECT_FALSE(proves("RowCount > 10", false));
  EXPECT_TRUE(proves("RowCount between 9 and 31", false));
  EXPECT_FALSE(proves("RowCount < 30", false));
  EXPECT_FALSE(proves("RowCount = 30", false));
  EXPECT_FALSE(proves("RowCount >= last()", false));
  staged_.table_rows_min = 30;
  EXPECT_TRUE(proves("RowCount = 30", false));
}

}  // namespace
}  // namespace shoplake::quality
