#include "catalog/merged_statistics.h"

#include <gtest/gtest.h>

#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using transform::ColumnStatistics;
using transform::DataFile;

Schema schema() {
  Schema schema;
  schema.fields = {{1, "n", Type::primitive("long"), false, ""}, {2, "text", Type::primitive("string"), false, ""}};
  return schema;
}

ColumnStatistics numbers(std::int64_t values, std::int64_t nulls, std::optional<std::int64_t> low,
                         std::optional<std::int64_t> high) {
  ColumnStatistics column;
  column.field_id = 1;
  column.column_size_bytes = 100;
  column.value_count = values;
  column.null_count = nulls;
  column.nan_count = 0;
  if (low)
    column.lower_bound = encode_long(*low);
  if (high)
    column.upper_bound = encode_long(*high);
  return column;
}

std::vector<ColumnStatistics> merged(const std::vector<std::vector<ColumnStatistics>>& files) {
  std::vector<DataFile> all;
  for (const auto& columns : files)
    all.emplace_back().columns = columns;
  return merged_statistics(schema(), all);
}

TEST(MergedStatistics, AddsCountsAndWidensBounds) {
  const auto columns = merged({{numbers(10, 1, -1, 200)}, {numbers(5, 0, -300, 7)}, {numbers(3, 3, {}, {})}});
  ASSERT_EQ(columns.size(), 1u);
  EXPECT_EQ(columns[0].field_id, 1);
  EXPECT_EQ(columns[0].column_size_bytes, 300);
  EXPECT_EQ(columns[0].value_count, 18);
  EXPECT_EQ(columns[0].null_count, 4);
  EXPECT_EQ(columns[0].nan_count, 0);
  EXPECT_EQ(columns[0].lower_bound, encode_long(-300)) << "in the order of numbers, not of bytes";
  EXPECT_EQ(columns[0].upper_bound, encode_long(200));
}

TEST(MergedStatistics, KnowsOnlyWhatIsKnownOfAllFiles) {
  ColumnStatistics unknown = numbers(2, 0, 1, {});
  unknown.nan_count.reset();
  const auto columns = merged({{numbers(2, 0, 5, 6)}, {unknown}});
  ASSERT_EQ(columns.size(), 1u);
  EXPECT_EQ(columns[0].lower_bound, encode_long(1));
  EXPECT_EQ(columns[0].upper_bound, std::nullopt);
  EXPECT_EQ(columns[0].nan_count, std::nullopt);

  EXPECT_TRUE(merged({{numbers(2, 0, 5, 6)}, {}}).empty()) << "a file without statistics of the column";
  ColumnStatistics narrow = numbers(2, 0, {}, {});
  narrow.lower_bound = narrow.upper_bound = encode_int(9);  // from when the column was an int
  EXPECT_EQ(merged({{numbers(2, 0, 5, 6)}, {narrow}})[0].lower_bound, std::nullopt);
  ColumnStatistics gone = numbers(2, 0, 5, 6);
  gone.field_id = 77;
  EXPECT_TRUE(merged({{gone}, {gone}}).empty()) << "a column that the schema does not have";
}

TEST(MergedStatistics, TextsAreOrderedByTheirBytes) {
  const auto text = [](const char* low, const char* high) {
    ColumnStatistics column;
    column.field_id = 2;
    column.value_count = 2;
    column.lower_bound = low;
    column.upper_bound = high;
    return column;
  };
  const auto columns = merged({{text("b", "c")}, {text("a", "é")}});
  ASSERT_EQ(columns.size(), 1u);
  EXPECT_EQ(columns[0].lower_bound, "a");
  EXPECT_EQ(columns[0].upper_bound, "é");
}

}  // namespace
}  // namespace shoplake::catalog
