#include "contract/decimal.h"

#include <gtest/gtest.h>

#include <string>

namespace shoplake::contract {
namespace {

TEST(DecimalTest, ReadsExactlyWhatFits) {
  struct Case {
    std::string_view text;
    DecimalShape shape;
    std::optional<std::int64_t> value;
  };
  const Case cases[] = {
      {"12.50", {12, 2}, 1250},
      {"12.5", {12, 2}, 1250},
      {"12.500", {12, 2}, 1250},
      {"12.505", {12, 2}, {}},  // nothing is rounded
      {"-0.05", {12, 2}, -5},
      {"+7", {12, 2}, 700},
      {"007", {12, 2}, 700},
      {".5", {12, 2}, 50},
      {"5.", {12, 2}, 500},
      {"0", {1, 0}, 0},
      {"0.000", {1, 0}, 0},
      {"9.99", {3, 2}, 999},
      {"10", {3, 2}, {}},  // four digits
      {"1e2", {12, 2}, 10000},
      {"1.25e1", {12, 2}, 1250},
      {"125e-1", {12, 2}, 1250},
      {"1e-3", {12, 2}, {}},
      {"1e99", {12, 2}, {}},
      {"0e99999999999", {12, 2}, 0},
      {"999999999999999999", {18, 0}, 999'999'999'999'999'999},
      {"1000000000000000000", {18, 0}, {}},
      {"0.000000000000000001", {18, 18}, 1},
      {"1.000000000000000000000000000", {12, 2}, 100},
      {"1.000000000000000000000000001", {12, 2}, {}},
      {"17850.0", {18, 0}, 17850},
      {"", {12, 2}, {}},
      {"-", {12, 2}, {}},
      {".", {12, 2}, {}},
      {"1,5", {12, 2}, {}},
      {"1 5", {12, 2}, {}},
      {"1.5x", {12, 2}, {}},
      {"0x1", {12, 2}, {}},
      {"NaN", {12, 2}, {}},
      {"1e", {12, 2}, {}},
  };
  for (const Case& c : cases)
    EXPECT_EQ(parse_decimal(c.text, c.shape), c.value) << c.text;
}

TEST(DecimalTest, SeparatorsMustBeDeclaredAndStandRight) {
  const NumberSpelling german{',', '.'};
  const NumberSpelling english{'.', ','};
  const DecimalShape shape{12, 2};
  EXPECT_EQ(parse_decimal("1.234.567,89", shape, german), 123456789);
  EXPECT_EQ(parse_decimal("1234567,89", shape, german), 123456789);
  EXPECT_EQ(parse_decimal("-1.234", shape, german), -123400);
  EXPECT_EQ(parse_decimal("1,234.5", shape, english), 123450);
  for (const char* wrong : {"1,23", "1,2345", "12,34,567", ",123", "1,", "1234,567", "1,234,", "1,,234"})
    EXPECT_EQ(parse_decimal(wrong, shape, english), std::nullopt) << wrong;
}

TEST(DecimalTest, IsWrittenWithAllItsDigits) {
  EXPECT_EQ(decimal_text(1250, 2), "12.50");
  EXPECT_EQ(decimal_text(-5, 2), "-0.05");
  EXPECT_EQ(decimal_text(7, 0), "7");
  EXPECT_EQ(decimal_text(-999'999'999'999'999'999, 18), "-0.999999999999999999");
}

}  // namespace
}  // namespace shoplake::contract
