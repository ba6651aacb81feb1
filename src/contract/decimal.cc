#include "contract/decimal.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

namespace shoplake::contract {

namespace {

constexpr auto kPowers = [] {
  std::array<std::int64_t, kDecimalDigitsMax + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i)
    powers[i] = powers[i - 1] * 10;
  return powers;
}();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of an exponent: enough for every decimal, and no number overflows on the way.
constexpr int kExponentMax = 1'000;

// The digits of a number, gathered from the left.
class Digits {
 public:
  explicit Digits(DecimalShape shape) : scale_(shape.scale) {}

  void add(char digit) {
    if (count_ == 0 && digit == '0') {
      return;  // a leading zero
    }
    if (count_ < kDecimalDigitsMax) {
      value_ = value_ * 10 + (digit - '0');
      ++count_;
    } else {
      ++beyond_;
      beyond_is_zero_ = beyond_is_zero_ && digit == '0';
    }
  }

  // The value at the scale, where `fraction` of the digits were behind the point. Nothing if it does not fit.
  std::optional<std::int64_t> at_scale(int fraction, std::int64_t most) const {
    if (value_ == 0)
      return beyond_ == 0 || beyond_is_zero_ ? std::optional<std::int64_t>(0) : std::nullopt;
    if (!beyond_is_zero_)
      return std::nullopt;
    int shift = scale_ - fraction + beyond_;
    std::int64_t value = value_;
    for (; shift < 0; ++shift) {
      if (value % 10 != 0)
        return std::nullopt;
      value /= 10;
    }
    if (shift > kDecimalDigitsMax || __builtin_mul_overflow(value, kPowers[static_cast<std::size_t>(shift)], &value) ||
        value > most) {
      return std::nullopt;
    }
    return value;
  }

 private:
  int scale_;
  std::int64_t value_ = 0;
  int count_ = 0;   // digits in value_
  int beyond_ = 0;  // digits that did not fit it
  bool beyond_is_zero_ = true;
};

// The number as most are spelled: a sign, digits, maybe a point; so short that nothing overflows. Nothing: it is
// another, or none.
std::optional<std::int64_t> parse_short(std::string_view text, DecimalShape shape) {
  constexpr std::size_t kShort = 18;
  if (text.empty() || text.size() > kShort)
    return std::nullopt;
  const bool negative = text[0] == '-';
  std::int64_t value = 0;
  std::size_t point = text.size();
  for (std::size_t at = negative ? 1 : 0; at < text.size(); ++at) {
    if (is_digit(text[at])) {
      value = value * 10 + (text[at] - '0');
    } else if (text[at] == '.' && point == text.size()) {
      point = at;
    } else {
      return std::nullopt;
    }
  }
  const bool has_point = point < text.size();
  const std::size_t digits = text.size() - (negative ? 1 : 0) - (has_point ? 1 : 0);
  const std::size_t fraction = has_point ? text.size() - point - 1 : 0;
  const auto scale = static_cast<std::size_t>(shape.scale);
  if (digits == 0 || fraction > scale || __builtin_mul_overflow(value, kPowers[scale - fraction], &value) ||
      value > decimal_max(shape))
    return std::nullopt;
  return negative ? -value : value;
}

}  // namespace

std::int64_t power_of_ten(int exponent) { return kPowers[static_cast<std::size_t>(exponent)]; }

std::int64_t decimal_max(DecimalShape shape) { return power_of_ten(shape.precision) - 1; }

std::string decimal_type_text(DecimalShape shape) {
  return fmt::format("decimal({},{})", shape.precision, shape.scale);
}

std::optional<std::string_view> plain_number(std::string_view text, NumberSpelling spelling, char* out) {
  char* const begin = out;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+'))
    *out++ = text[at++];
  bool has_digits = false;
  bool is_grouped = false;
  int group = 0;  // digits since the last separator
  for (; at < text.size(); ++at) {
    if (is_digit(text[at])) {
      *out++ = text[at];
      has_digits = true;
      ++group;
    } else if (spelling.thousands != '\0' && text[at] == spelling.thousands) {
      if (!has_digits || (is_grouped ? group != 3 : group > 3))
        return std::nullopt;
      is_grouped = true;
      group = 0;
    } else {
      break;
    }
  }
  if (is_grouped && group != 3)
    return std::nullopt;
  if (at < text.size() && text[at] == spelling.point) {
    *out++ = '.';
    for (++at; at < text.size() && is_digit(text[at]); ++at) {
      *out++ = text[at];
      has_digits = true;
    }
  }
  if (!has_digits)
    return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    *out++ = text[at++];
    if (at < text.size() && (text[at] == '-' || text[at] == '+'))
      *out++ = text[at++];
    const std::size_t digits = at;
    while (at < text.size() && is_digit(text[at]))
      *out++ = text[at++];
    if (at == digits)
      return std::nullopt;
  }
  if (at != text.size())
    return std::nullopt;
  return std::string_view(begin, static_cast<std::size_t>(out - begin));
}

std::optional<std::int64_t> parse_decimal(std::string_view text, DecimalShape shape, NumberSpelling spelling) {
  char plain[64];
  std::string longer;
  if (spelling.thousands != '\0' || spelling.point != '.') {
    char* place = plain;
    if (text.size() > sizeof(plain)) {
      longer.resize(text.size());
      place = longer.data();
    }
    const auto rewritten = plain_number(text, spelling, place);
    if (!rewritten)
      return std::nullopt;
    text = *rewritten;
  }
  if (const auto value = parse_short(text, shape)) [[likely]]
    return value;
  std::size_t at = 0;
  bool negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+'))
    negative = text[at++] == '-';
  Digits digits(shape);
  int fraction = 0;
  bool has_digits = false;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    digits.add(text[at]);
    has_digits = true;
  }
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && is_digit(text[at]); ++at) {
      digits.add(text[at]);
      has_digits = true;
      ++fraction;
    }
  }
  if (!has_digits)
    return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool smaller = false;
    if (at < text.size() && (text[at] == '-' || text[at] == '+'))
      smaller = text[at++] == '-';
    int exponent = 0;
    const std::size_t begin = at;
    for (; at < text.size() && is_digit(text[at]); ++at)
      exponent = exponent < kExponentMax ? exponent * 10 + (text[at] - '0') : exponent;
    if (at == begin)
      return std::nullopt;
    fraction += smaller ? exponent : -exponent;
  }
  if (at != text.size())
    return std::nullopt;
  const auto value = digits.at_scale(fraction, decimal_max(shape));
  return value && negative ? std::optional(-*value) : value;
}

std::string decimal_text(std::int64_t value, int scale) {
  const std::uint64_t size = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const std::string_view sign = value < 0 ? "-" : "";
  if (scale == 0)
    return fmt::format("{}{}", sign, size);
  const auto unit = static_cast<std::uint64_t>(power_of_ten(scale));
  return fmt::format("{}{}.{:0{}}", sign, size / unit, size % unit, scale);
}

}  // namespace shoplake::contract
