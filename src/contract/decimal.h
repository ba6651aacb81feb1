// Decimals: exact numbers for prices and revenue, as whole numbers of their last digit ("12.50" at scale 2 is 1250).
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "contract/type.h"

namespace shoplake::contract {

// So many digits fit 64 bits.
inline constexpr int kDecimalDigitsMax = 18;

// 10 to the power of 0 … 18.
std::int64_t power_of_ten(int exponent);

// How a file spells numbers.
struct NumberSpelling {
  char point = '.';
  char thousands = '\0';  // none: a number with separators is no number
};

// A number with or without a sign, point and exponent, with its thousands grouped by three or not at all. Digits beyond
// the scale must be zeros: nothing is rounded. Nothing if the text is no number, or none of that shape.
std::optional<std::int64_t> parse_decimal(std::string_view text, DecimalShape shape, NumberSpelling spelling = {});

// The text without thousands separators and with a decimal point, written into `out`, which has room for all of it.
// Nothing if separators stand where none may be, or there is no digit. The result is a JSON number but for a sign +,
// leading zeros and a point at its begin or end.
std::optional<std::string_view> plain_number(std::string_view text, NumberSpelling spelling, char* out);

// "12.50"; "-0.05".
std::string decimal_text(std::int64_t value, int scale);

// The largest value of a shape: 999…9.
std::int64_t decimal_max(DecimalShape shape);

// "decimal(12,2)"
std::string decimal_type_text(DecimalShape shape);

}  // namespace shoplake::contract
