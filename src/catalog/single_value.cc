#include "catalog/single_value.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/utf8.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

base::Error invalid(const std::string& type, std::string_view text) {
  return make_error(ErrorKind::input, "catalog.invalid_value",
                    "\"" + std::string(text.substr(0, 80)) + "\" is not a value of type " + type);
}

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <typename T>
T unraw(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
  return value;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return {};
  }
  return value;
}

// Takes `digits` decimal digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) {
    return {};
  }
  int value = 0;
  for (std::size_t index = 0; index < digits; ++index) {
    if (text[index] < '0' || text[index] > '9') {
      return {};
    }
    value = value * 10 + (text[index] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

std::optional<std::int32_t> take_date(std::string_view& text) {
  const bool negative = take(text, '-');
  std::size_t year_digits = 0;
  while (year_digits < text.size() && text[year_digits] >= '0' && text[year_digits] <= '9') {
    ++year_digits;
  }
  if (year_digits < 4 || year_digits > 6) {
    return {};
  }
  const auto year = take_digits(text, year_digits);
  if (!year || !take(text, '-')) {
    return {};
  }
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) {
    return {};
  }
  const auto day = take_digits(text, 2);
  if (!day) {
    return {};
  }
  // std::chrono::year holds ±32767 only; enough for every calendar date people write.
  if (*year > 32767) {
    return {};
  }
  const std::chrono::year_month_day date(std::chrono::year(negative ? -*year : *year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) {
    return {};
  }
  return static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

std::optional<std::int64_t> take_time(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 24 || !take(text, ':')) {
    return {};
  }
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) {
    return {};
  }
  std::int64_t micros = (*hour * 3600LL + *minute * 60LL) * kMicrosPerSecond;
  if (take(text, ':')) {
    const auto second = take_digits(text, 2);
    if (!second || *second > 60) {
      return {};
    }
    micros += *second * kMicrosPerSecond;
    if (take(text, '.')) {
      std::int64_t unit = kMicrosPerSecond / 10;
      bool any = false;
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        micros += (text.front() - '0') * unit;
        unit /= 10;
        text.remove_prefix(1);
        any = true;
      }
      if (!any) {
        return {};
      }
    }
  }
  return micros;
}

std::optional<std::int64_t> timestamp_micros(std::string_view text) {
  const auto days = take_date(text);
  if (!days) {
    return {};
  }
  std::int64_t micros = static_cast<std::int64_t>(*days) * kMicrosPerDay;
  if (text.empty()) {
    return micros;
  }
  if (!take(text, 'T') && !take(text, ' ')) {
    return {};
  }
  const auto time = take_time(text);
  if (!time) {
    return {};
  }
  micros += *time;
  if (text.empty() || text == "Z") {
    return micros;
  }
  const bool minus = text.front() == '-';
  if (!take(text, '+') && !take(text, '-')) {
    return {};
  }
  const auto hours = take_digits(text, 2);
  if (!hours) {
    return {};
  }
  std::int64_t offset = *hours * 3600LL;
  if (!text.empty()) {
    take(text, ':');
    const auto minutes = take_digits(text, 2);
    if (!minutes) {
      return {};
    }
    offset += *minutes * 60LL;
  }
  if (!text.empty()) {
    return {};
  }
  return micros - (minus ? -offset : offset) * kMicrosPerSecond;
}

std::string date_text(std::int32_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return buffer;
}

std::string time_text(std::int64_t micros) {
  char buffer[48];
  const std::int64_t seconds = micros / kMicrosPerSecond;
  const std::int64_t fraction = micros % kMicrosPerSecond;
  std::snprintf(buffer, sizeof buffer, "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  std::string text = buffer;
  if (fraction != 0) {
    std::snprintf(buffer, sizeof buffer, ".%06d", static_cast<int>(fraction));
    text += buffer;
    while (text.back() == '0') {
      text.pop_back();
    }
  }
  return text;
}

std::string timestamp_text(std::int64_t micros) {
  std::int64_t days = micros / kMicrosPerDay;
  std::int64_t rest = micros % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  return date_text(static_cast<std::int32_t>(days)) + "T" + time_text(rest);
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'a' && digit <= 'f') {
    return digit - 'a' + 10;
  }
  if (digit >= 'A' && digit <= 'F') {
    return digit - 'A' + 10;
  }
  return -1;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) {
    return {};
  }
  std::string bytes;
  for (std::size_t index = 0; index < digits.size(); index += 2) {
    const int high = hex_digit(digits[index]);
    const int low = hex_digit(digits[index + 1]);
    if (high < 0 || low < 0) {
      return {};
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  static const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(byte) & 15]);
  }
  return text;
}

std::string base64(std::string_view bytes) {
  static const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t index = 0; index < bytes.size(); index += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - index);
    for (std::size_t part = 0; part < 3; ++part) {
      group = group << 8 | (part < count ? static_cast<unsigned char>(bytes[index + part]) : 0U);
    }
    for (std::size_t part = 0; part < 4; ++part) {
      text.push_back(part <= count ? kDigits[group >> (18 - 6 * part) & 63] : '=');
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t group = 0;
  int bits = 0;
  while (!text.empty() && text.back() == '=') {
    text.remove_suffix(1);
  }
  for (const char digit : text) {
    int value = -1;
    if (digit >= 'A' && digit <= 'Z') {
      value = digit - 'A';
    } else if (digit >= 'a' && digit <= 'z') {
      value = digit - 'a' + 26;
    } else if (digit >= '0' && digit <= '9') {
      value = digit - '0' + 52;
    } else if (digit == '+') {
      value = 62;
    } else if (digit == '/') {
      value = 63;
    }
    if (value < 0) {
      return {};
    }
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>(group >> bits & 255));
    }
  }
  return bytes;
}

__int128 decode_decimal(std::string_view bytes) {
  __int128 value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (const char byte : bytes) {
    value = static_cast<__int128>(static_cast<unsigned __int128>(value) << 8 | static_cast<unsigned char>(byte));
  }
  return value;
}

std::string encode_decimal(__int128 value) {
  std::string bytes;
  do {
    bytes.insert(bytes.begin(), static_cast<char>(value & 255));
    value >>= 8;
  } while (!((value == 0 && (bytes[0] & 0x80) == 0) || (value == -1 && (bytes[0] & 0x80) != 0)));
  return bytes;
}

std::optional<std::string> decimal_from_text(const DecimalType& type, std::string_view text) {
  const bool negative = take(text, '-');
  if (!negative) {
    take(text, '+');
  }
  unsigned __int128 value = 0;
  int digits = 0;
  int fraction = -1;
  for (const char digit : text) {
    if (digit == '.' && fraction < 0) {
      fraction = 0;
      continue;
    }
    if (digit < '0' || digit > '9') {
      return {};
    }
    if (fraction >= type.scale) {
      if (digit != '0') {
        return {};  // would lose a digit
      }
      continue;
    }
    value = value * 10 + static_cast<unsigned>(digit - '0');
    if (value != 0 && ++digits > 38) {
      return {};
    }
    if (fraction >= 0) {
      ++fraction;
    }
  }
  if (text.empty() || text == ".") {
    return {};
  }
  for (int place = std::max(fraction, 0); place < type.scale; ++place) {
    value *= 10;
    if (value != 0 && ++digits > 38) {
      return {};
    }
  }
  const auto amount = static_cast<__int128>(value);
  return encode_decimal(negative ? -amount : amount);
}

std::string decimal_to_text(const DecimalType& type, std::string_view bytes) {
  __int128 value = decode_decimal(bytes);
  const bool negative = value < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  if (type.scale > 0) {
    while (digits.size() <= static_cast<std::size_t>(type.scale)) {
      digits.insert(digits.begin(), '0');
    }
    digits.insert(digits.size() - static_cast<std::size_t>(type.scale), ".");
  }
  return negative ? "-" + digits : digits;
}

template <typename T>
int order(T left, T right) {
  return left < right ? -1 : (right < left ? 1 : 0);
}

template <typename T>
int order_floating(T left, T right) {
  if (std::isnan(left) || std::isnan(right)) {
    return order(std::isnan(left), std::isnan(right));
  }
  return order(left, right);
}

// Byte positions where code points of UTF-8 text start.
std::size_t code_point_end(std::string_view text, std::size_t length) {
  std::size_t position = 0;
  for (std::size_t count = 0; count < length && position < text.size(); ++count) {
    ++position;
    while (position < text.size() && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80) {
      ++position;
    }
  }
  return position;
}

std::uint32_t decode_code_point(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  std::uint32_t point = bytes.size() == 1   ? first
                        : bytes.size() == 2 ? first & 31U
                        : bytes.size() == 3 ? first & 15U
                                            : first & 7U;
  for (std::size_t index = 1; index < bytes.size(); ++index) {
    point = point << 6 | (static_cast<unsigned char>(bytes[index]) & 63U);
  }
  return point;
}

}  // namespace

std::string encode_int(std::int32_t value) { return raw(value); }
std::string encode_long(std::int64_t value) { return raw(value); }
std::int32_t decode_int(std::string_view bytes) { return unraw<std::int32_t>(bytes); }
std::int64_t decode_long(std::string_view bytes) { return unraw<std::int64_t>(bytes); }

std::optional<DecimalType> decimal_type(std::string_view type) {
  DecimalType decimal;
  const std::string text(type);
  if (std::sscanf(text.c_str(), "decimal( %d , %d )", &decimal.precision, &decimal.scale) != 2) {
    return {};
  }
  return decimal;
}

int DecimalType::fixed_size() const {
  // ceil((precision * log2(10) + 1 sign bit) / 8)
  return static_cast<int>(std::ceil((precision * 3.321928094887362 + 1) / 8));
}

std::optional<int> fixed_length(std::string_view type) {
  int length = 0;
  const std::string text(type);
  if (std::sscanf(text.c_str(), "fixed[%d]", &length) != 1) {
    return {};
  }
  return length;
}

Result<std::string> single_value_from_text(const std::string& type, std::string_view text) {
  if (type == "string") {
    return std::string(text);
  }
  std::optional<std::string> bytes;
  if (type == "boolean") {
    if (text == "true" || text == "t" || text == "1") {
      bytes = std::string(1, '\1');
    } else if (text == "false" || text == "f" || text == "0") {
      bytes = std::string(1, '\0');
    }
  } else if (type == "int") {
    if (const auto value = number<std::int32_t>(text)) {
      bytes = raw(*value);
    }
  } else if (type == "long") {
    if (const auto value = number<std::int64_t>(text)) {
      bytes = raw(*value);
    }
  } else if (type == "float") {
    if (const auto value = number<float>(text)) {
      bytes = raw(*value);
    }
  } else if (type == "double") {
    if (const auto value = number<double>(text)) {
      bytes = raw(*value);
    }
  } else if (type == "date") {
    std::string_view rest = text;
    const auto days = take_date(rest);
    if (days && rest.empty()) {
      bytes = raw(*days);
    }
  } else if (type == "time") {
    std::string_view rest = text;
    const auto micros = take_time(rest);
    if (micros && rest.empty()) {
      bytes = raw(*micros);
    }
  } else if (type == "timestamp" || type == "timestamptz") {
    if (const auto micros = timestamp_micros(text)) {
      bytes = raw(*micros);
    }
  } else if (type == "uuid") {
    std::string digits(text);
    digits.erase(std::remove(digits.begin(), digits.end(), '-'), digits.end());
    bytes = from_hex(digits);
    if (bytes && bytes->size() != 16) {
      bytes.reset();
    }
  } else if (type == "binary" || fixed_length(type)) {
    bytes = from_base64(text);
    if (bytes && !is_single_value(type, *bytes)) {
      bytes.reset();
    }
  } else if (const auto decimal = decimal_type(type)) {
    bytes = decimal_from_text(*decimal, text);
  }
  if (!bytes) {
    return invalid(type, text);
  }
  return std::move(*bytes);
}

bool is_single_value(const std::string& type, std::string_view bytes) {
  if (type == "boolean") {
    return bytes.size() == 1;
  }
  if (type == "int" || type == "date" || type == "float") {
    return bytes.size() == 4;
  }
  if (type == "long" || type == "time" || type == "timestamp" || type == "timestamptz" || type == "double" ||
      type == "timestamp_ns" || type == "timestamptz_ns") {
    return bytes.size() == 8;
  }
  if (type == "uuid") {
    return bytes.size() == 16;
  }
  if (const auto length = fixed_length(type)) {
    return bytes.size() == static_cast<std::size_t>(*length);
  }
  if (decimal_type(type)) {
    return !bytes.empty() && bytes.size() <= 16;
  }
  return true;
}

Result<std::string> single_value_to_text(const std::string& type, std::string_view bytes) {
  if (!is_single_value(type, bytes)) {
    return make_error(
        ErrorKind::input, "catalog.invalid_value",
        std::to_string(bytes.size()) + " bytes (" + to_hex(bytes.substr(0, 16)) + ") are not a value of type " + type);
  }
  if (type == "boolean") {
    return std::string(bytes[0] != 0 ? "true" : "false");
  }
  if (type == "int") {
    return std::to_string(unraw<std::int32_t>(bytes));
  }
  if (type == "long") {
    return std::to_string(unraw<std::int64_t>(bytes));
  }
  if (type == "float" || type == "double") {
    char buffer[64];
    const auto end = type == "float" ? std::to_chars(buffer, buffer + sizeof buffer, unraw<float>(bytes)).ptr
                                     : std::to_chars(buffer, buffer + sizeof buffer, unraw<double>(bytes)).ptr;
    return std::string(buffer, end);
  }
  if (type == "date") {
    return date_text(unraw<std::int32_t>(bytes));
  }
  if (type == "time") {
    return time_text(unraw<std::int64_t>(bytes));
  }
  if (type == "timestamp") {
    return timestamp_text(unraw<std::int64_t>(bytes));
  }
  if (type == "timestamptz") {
    return timestamp_text(unraw<std::int64_t>(bytes)) + "+00:00";
  }
  if (type == "uuid") {
    const std::string digits = to_hex(bytes);
    return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" + digits.substr(16, 4) +
           "-" + digits.substr(20);
  }
  if (type == "binary" || fixed_length(type)) {
    return base64(bytes);
  }
  if (const auto decimal = decimal_type(type)) {
    return decimal_to_text(*decimal, bytes);
  }
  return std::string(bytes);
}

int compare_single_values(const std::string& type, std::string_view left, std::string_view right) {
  if (type == "int" || type == "date") {
    return order(unraw<std::int32_t>(left), unraw<std::int32_t>(right));
  }
  if (type == "long" || type == "time" || type == "timestamp" || type == "timestamptz") {
    return order(unraw<std::int64_t>(left), unraw<std::int64_t>(right));
  }
  if (type == "float") {
    return order_floating(unraw<float>(left), unraw<float>(right));
  }
  if (type == "double") {
    return order_floating(unraw<double>(left), unraw<double>(right));
  }
  if (decimal_type(type)) {
    return order(decode_decimal(left), decode_decimal(right));
  }
  return left.compare(right);  // bytes as unsigned: char_traits<char>::compare
}

bool is_nan(const std::string& type, std::string_view bytes) {
  return (type == "float" && bytes.size() == 4 && std::isnan(unraw<float>(bytes))) ||
         (type == "double" && bytes.size() == 8 && std::isnan(unraw<double>(bytes)));
}

std::string promote_single_value(const std::string& from, const std::string& to, std::string_view bytes) {
  if (from == "int" && to == "long" && bytes.size() == 4) {
    return raw(static_cast<std::int64_t>(unraw<std::int32_t>(bytes)));
  }
  if (from == "float" && to == "double" && bytes.size() == 4) {
    return raw(static_cast<double>(unraw<float>(bytes)));
  }
  return std::string(bytes);
}

std::string truncated_lower_bound(std::string_view text, std::size_t length) {
  return std::string(text.substr(0, code_point_end(text, length)));
}

std::optional<std::string> truncated_upper_bound(std::string_view text, std::size_t length) {
  const std::size_t end = code_point_end(text, length);
  if (end == text.size()) {
    return std::string(text);
  }
  std::string bound(text.substr(0, end));
  while (!bound.empty()) {
    std::size_t start = bound.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(bound[start]) & 0xC0) == 0x80) {
      --start;
    }
    std::uint32_t point = decode_code_point(std::string_view(bound).substr(start)) + 1;
    bound.resize(start);
    if (point >= 0xD800 && point <= 0xDFFF) {
      point = 0xE000;
    }
    if (point <= 0x10FFFF) {
      base::append_code_point(bound, point);
      return bound;
    }
  }
  return {};
}

}  // namespace shoplake::catalog
