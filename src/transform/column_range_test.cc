// Bounds of columns, as Iceberg and Parquet want them.
#include "transform/column_range.h"

#include <gtest/gtest.h>

#include <string>

namespace shoplake::transform {
namespace {

using Form = ColumnRange::Form;

Node node_of(ColumnType type) {
  Node node;
  node.type = type;
  return node;
}

TEST(ColumnRange, TextsAreCutAndTheUpperBoundStaysOne) {
  const Node text = node_of(ColumnType::text);
  ColumnRange range;
  EXPECT_EQ(range.lower(text, 4, Form::iceberg), std::nullopt);
  range.add("banana");
  range.add("apple");
  range.add("cherry");
  EXPECT_EQ(range.lower(text, 4, Form::iceberg), "appl");
  EXPECT_EQ(range.upper(text, 4, Form::iceberg), "ches");
  EXPECT_EQ(range.upper(text, 6, Form::iceberg), "cherry");
}

TEST(ColumnRange, TheUpperBoundCountsCodePoints) {
  const Node text = node_of(ColumnType::text);
  const auto upper = [&](const std::string& greatest) {
    ColumnRange range;
    range.add(greatest);
    return range.upper(text, 2, Form::parquet);
  };
  EXPECT_EQ(upper("éàü"), "éá");
  EXPECT_EQ(upper("a\x7f!"), "a\xc2\x80");                              // one byte becomes two
  EXPECT_EQ(upper("a\xed\x9f\xbf!"), "a\xee\x80\x80");                  // surrogates are no text
  EXPECT_EQ(upper("a\xf4\x8f\xbf\xbf!"), "b");                          // the last code point has no successor
  EXPECT_EQ(upper("\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf!"), std::nullopt);  // and neither has any before it
}

TEST(ColumnRange, DecimalsAreShortInIcebergOnly) {
  Node decimal = node_of(ColumnType::decimal);
  decimal.decimal = {12, 2};
  const auto lower = [&](std::int64_t value, Form form) {
    ColumnRange range;
    range.has_values = true;
    range.integer_min = range.integer_max = value;
    return range.lower(decimal, 16, form).value();
  };
  EXPECT_EQ(lower(0, Form::iceberg), std::string(1, '\0'));
  EXPECT_EQ(lower(-1, Form::iceberg), "\xff");
  EXPECT_EQ(lower(127, Form::iceberg), "\x7f");
  EXPECT_EQ(lower(128, Form::iceberg), std::string("\0\x80", 2));
  EXPECT_EQ(lower(-129, Form::iceberg), "\xff\x7f");
  EXPECT_EQ(lower(128, Form::parquet), std::string("\x80\0\0\0\0\0\0\0", 8));
}

TEST(ColumnRange, ZeroIsBothZeros) {
  const Node real = node_of(ColumnType::real);
  ColumnRange range;
  range.has_values = true;
  range.real_min = 0.0;
  range.real_max = -0.0;
  EXPECT_EQ(range.lower(real, 16, Form::iceberg), std::string("\0\0\0\0\0\0\0\x80", 8));
  EXPECT_EQ(range.upper(real, 16, Form::iceberg), std::string(8, '\0'));
}

TEST(ColumnRange, MergesWhatRowGroupsSay) {
  ColumnRange all;
  all.merge(ColumnRange(), ColumnType::integer);
  EXPECT_FALSE(all.has_values);
  ColumnRange one;
  one.has_values = true;
  one.integer_min = -3;
  one.integer_max = 5;
  ColumnRange other = one;
  other.integer_min = 1;
  other.integer_max = 9;
  all.merge(one, ColumnType::integer);
  all.merge(other, ColumnType::integer);
  EXPECT_EQ(all.integer_min, -3);
  EXPECT_EQ(all.integer_max, 9);
}

}  // namespace
}  // namespace shoplake::transform
