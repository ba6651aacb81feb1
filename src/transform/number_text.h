// Numbers and days as JSON and CSV spell them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoplake::transform {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The end of the JSON number at the begin of [text, end), or null if there is none. Sets whether it is written as an
// integer.
inline const char* scan_number(const char* text, const char* end, bool& is_integer) {
  is_integer = true;
  if (text < end && *text == '-')
    ++text;
  if (text == end || !is_digit(*text))
    return nullptr;
  if (*text == '0') {
    ++text;
  } else {
    while (text < end && is_digit(*text))
      ++text;
  }
  if (text < end && *text == '.') {
    is_integer = false;
    ++text;
    if (text == end || !is_digit(*text))
      return nullptr;
    while (text < end && is_digit(*text))
      ++text;
  }
  if (text < end && (*text == 'e' || *text == 'E')) {
    is_integer = false;
    ++text;
    if (text < end && (*text == '+' || *text == '-'))
      ++text;
    if (text == end || !is_digit(*text))
      return nullptr;
    while (text < end && is_digit(*text))
      ++text;
  }
  return text;
}

// A number as from_chars takes it; beyond a double it is infinite or zero.
bool to_real(std::string_view number, double& value);
// A whole JSON number that is integral and fits 64 bits: "5", "5.0", "5e0".
bool to_integer(std::string_view number, std::int64_t& value);
// A JSON number of seconds, milliseconds … since 1970-01-01 (base/moment.h), as microseconds.
std::optional<std::int64_t> epoch_micros(std::string_view number);
// A day as eight digits that is in the calendar, 1900 to 2999.
bool is_yyyymmdd(std::string_view text);

// Appends a JSON string.
void append_json_string(std::string& out, std::string_view text);

}  // namespace shoplake::transform
