#include "catalog/duckdb_statistics.h"

#include <gtest/gtest.h>

#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

Schema schema() {
  Schema schema;
  schema.fields = {{1, "n", Type::primitive("long"), false, ""},
                   {2, "text", Type::primitive("string"), false, ""},
                   {3, "at", Type::primitive("timestamptz"), false, ""},
                   {4, "price", Type::primitive("decimal(9,2)"), false, ""},
                   {5, "s", Type::structure({{6, "a\"b", Type::primitive("double"), false, ""}}), false, ""},
                   {7, "l", Type::list(Type::primitive("int")), false, ""}};
  schema.fields[5].type.fields[0].id = 8;
  return schema;
}

TEST(DuckdbStatistics, BecomeIcebergsByType) {
  const auto columns = statistics_from_duckdb(
      schema(),
      {{"\"n\"", {{"min", "-3"}, {"max", "7"}, {"null_count", "1"}, {"num_values", "5"}, {"column_size_bytes", "44"}}},
       {"\"TEXT\"", {{"min", "ézzzzzzzzzzzzzzzzzzzz"}, {"max", "ézzzzzzzzzzzzzzzzzzzz"}}},
       {"\"at\"", {{"min", "2020-01-01 00:00:00.5+00"}, {"max", "infinity"}}},
       {"\"price\"", {{"min", "-1.50"}, {"max", "0.57"}}},
       {"\"s\".\"a\"\"b\"", {{"min", "0.5"}, {"max", "nan"}, {"has_nan", "false"}}},
       {"\"l\".\"element\"", {{"min", "0"}, {"max", "5"}, {"num_values", "10"}}},
       {"\"gone\"", {{"min", "0"}}},
       {"broken", {{"min", "0"}}}});
  ASSERT_EQ(columns.size(), 6);
  EXPECT_EQ(columns[0].lower_bound, encode_long(-3));
  EXPECT_EQ(columns[0].upper_bound, encode_long(7));
  EXPECT_EQ(columns[0].null_count, 1);
  EXPECT_EQ(columns[0].value_count, 5);
  EXPECT_EQ(columns[0].column_size_bytes, 44);
  EXPECT_EQ(columns[1].lower_bound, "ézzzzzzzzzzzzzzz");
  EXPECT_EQ(columns[1].upper_bound, "ézzzzzzzzzzzzzz{");
  EXPECT_EQ(columns[2].lower_bound, encode_long(1577836800500000));
  EXPECT_EQ(columns[2].upper_bound, std::nullopt);
  EXPECT_EQ(columns[3].lower_bound, std::string("\xFF\x6A", 2));
  EXPECT_EQ(columns[3].upper_bound, std::string("\x39", 1));
  EXPECT_EQ(columns[4].field_id, 6);
  EXPECT_EQ(columns[4].upper_bound, std::nullopt);
  EXPECT_EQ(columns[4].nan_count, 0);
  EXPECT_EQ(columns[5].field_id, 8);
  EXPECT_EQ(columns[5].lower_bound, std::nullopt) << "no bounds below lists";
  EXPECT_EQ(columns[5].value_count, 10);
}

}  // namespace
}  // namespace shoplake::catalog
