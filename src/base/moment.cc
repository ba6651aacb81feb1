#include "base/moment.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

namespace shoplake::base {

namespace {

// 0001-01-01 and the end of 9999-12-31.
constexpr std::int64_t kMicrosMin = -62'135'596'800 * kMicrosPerSecond;
constexpr std::int64_t kMicrosMax = 253'402'300'800 * kMicrosPerSecond - 1;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Two or four digits at `at`, or -1. The caller has checked that they are inside the text.
int digits2(const char* at) { return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1; }
int digits4(const char* at) {
  const int high = digits2(at);
  const int low = digits2(at + 2);
  return high < 0 || low < 0 ? -1 : high * 100 + low;
}

// The offset of a zone in seconds; `at` is behind the time.
std::optional<std::int64_t> zone_seconds(const char* at, const char* end) {
  if (at == end)
    return 0;
  if (*at == 'Z' || *at == 'z')
    return at + 1 == end ? std::optional<std::int64_t>(0) : std::nullopt;
  if (*at != '+' && *at != '-')
    return std::nullopt;
  const int sign = *at == '-' ? -1 : 1;
  ++at;
  if (end - at < 2)
    return std::nullopt;
  const int hours = digits2(at);
  at += 2;
  int minutes = 0;
  if (at != end) {
    if (*at == ':')
      ++at;
    if (end - at != 2)
      return std::nullopt;
    minutes = digits2(at);
  }
  if (hours < 0 || hours > 18 || minutes < 0 || minutes > 59)
    return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<std::int64_t> in_calendar(std::int64_t micros) {
  return micros >= kMicrosMin && micros <= kMicrosMax ? std::optional(micros) : std::nullopt;
}

std::optional<std::int64_t> days_of(int year, int month, int day) {
  if (year < 1 || month < 1 || day < 1)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok())
    return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  const char* at = text.data();
  if (text.size() == 10 && at[4] == '-' && at[7] == '-')
    return days_of(digits4(at), digits2(at + 5), digits2(at + 8));
  if (text.size() == 8)
    return days_of(digits4(at), digits2(at + 4), digits2(at + 6));
  return std::nullopt;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  if (text.size() < 10)
    return std::nullopt;
  const auto days = parse_date(text.substr(0, 10));
  if (!days)
    return std::nullopt;
  if (text.size() == 10)
    return *days * kMicrosPerDay;
  const char* at = text.data() + 10;
  const char* const end = text.data() + text.size();
  if ((*at != 'T' && *at != 't' && *at != ' ') || end - at < 6 || at[3] != ':')
    return std::nullopt;
  const bool is_spaced = *at == ' ';
  const int hour = digits2(at + 1);
  const int minute = digits2(at + 4);
  at += 6;
  int second = 0;
  std::int64_t micros = 0;
  if (at != end && *at == ':') {
    if (end - at < 3)
      return std::nullopt;
    second = digits2(at + 1);
    at += 3;
    if (at != end && (*at == '.' || *at == ',')) {
      ++at;
      if (at == end || !is_digit(*at))
        return std::nullopt;
      std::int64_t unit = kMicrosPerSecond / 10;
      for (; at != end && is_digit(*at); ++at) {
        micros += (*at - '0') * unit;
        unit /= 10;
      }
    }
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  if (is_spaced && end - at > 1 && *at == ' ')
    ++at;
  const auto zone = zone_seconds(at, end);
  if (!zone)
    return std::nullopt;
  const std::int64_t seconds = hour * 3600 + minute * 60 + second - *zone;
  return in_calendar(*days * kMicrosPerDay + seconds * kMicrosPerSecond + micros);
}

std::optional<std::int64_t> epoch_micros(std::int64_t number) {
  const std::uint64_t size = number < 0 ? -static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  if (size < 100'000'000'000ULL)
    return in_calendar(number * kMicrosPerSecond);
  if (size < 100'000'000'000'000ULL)
    return in_calendar(number * 1'000);
  if (size < 100'000'000'000'000'000ULL)
    return in_calendar(number);
  return in_calendar(number / 1'000);
}

std::optional<std::int64_t> epoch_micros(double number) {
  const double size = std::fabs(number);
  const double micros = size < 1e11 ? number * 1e6 : size < 1e14 ? number * 1e3 : size < 1e17 ? number : number / 1e3;
  if (!(std::fabs(micros) < 9e18))
    return std::nullopt;
  return in_calendar(std::llround(micros));
}

CivilDay civil_day(std::int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

std::string date_text(std::int64_t days) {
  const CivilDay date = civil_day(days);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string timestamp_text(std::int64_t micros) {
  const std::int64_t days = day_of(micros);
  const std::int64_t rest = micros - days * kMicrosPerDay;
  const std::int64_t seconds = rest / kMicrosPerSecond;
  const std::int64_t fraction = rest % kMicrosPerSecond;
  return fmt::format("{}T{:02}:{:02}:{:02}{}Z", date_text(days), seconds / 3600, seconds / 60 % 60, seconds % 60,
                     fraction == 0 ? std::string() : fmt::format(".{:06}", fraction));
}

}  // namespace shoplake::base
