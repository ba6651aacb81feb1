#include "transform/number_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::transform {

namespace {

bool integral(double value, std::int64_t& integer) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0) || value != std::trunc(value))
    return false;
  integer = static_cast<std::int64_t>(value);
  return true;
}

}  // namespace

bool to_real(std::string_view number, double& value) {
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc::result_out_of_range) {
    // from_chars leaves the value alone: too large or too small for a double.
    value = std::strtod(std::string(number).c_str(), nullptr);
    return true;
  }
  return error == std::errc() && end == number.data() + number.size();
}

bool to_integer(std::string_view number, std::int64_t& value) {
  bool is_integer = false;
  const char* end = number.data() + number.size();
  if (scan_number(number.data(), end, is_integer) != end)
    return false;
  if (is_integer) {
    const auto parsed = std::from_chars(number.data(), end, value);
    return parsed.ec == std::errc() && parsed.ptr == end;
  }
  double real = 0;
  return to_real(number, real) && integral(real, value);
}

std::optional<std::int64_t> epoch_micros(std::string_view number) {
  bool is_integer = false;
  const char* const end = number.data() + number.size();
  if (scan_number(number.data(), end, is_integer) != end)
    return std::nullopt;
  if (is_integer) {
    std::int64_t value = 0;
    return to_integer(number, value) ? base::epoch_micros(value) : std::nullopt;
  }
  double value = 0;
  return to_real(number, value) ? base::epoch_micros(value) : std::nullopt;
}

bool is_yyyymmdd(std::string_view text) {
  if (text.size() != 8)
    return false;
  int digits[8];
  for (int i = 0; i < 8; ++i) {
    if (!is_digit(text[i]))
      return false;
    digits[i] = text[i] - '0';
  }
  const int year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3];
  const int month = digits[4] * 10 + digits[5];
  const int day = digits[6] * 10 + digits[7];
  if (year < 1900 || year > 2999 || month < 1 || month > 12 || day < 1)
    return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace shoplake::transform
