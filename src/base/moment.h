// Days and times in the spellings that contracts and records use. Pure functions; all times are UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoplake::base {

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// The day of the calendar as days since 1970-01-01, years 0001 to 9999.
std::optional<std::int64_t> days_of(int year, int month, int day);
// The moment itself if it is within the years 0001 to 9999.
std::optional<std::int64_t> in_calendar(std::int64_t micros);

// "2026-11-21" or "20261121" as days since 1970-01-01; years 0001 to 9999.
std::optional<std::int64_t> parse_date(std::string_view text);

// ISO 8601 as microseconds since 1970-01-01: a day, or a day, T or a space, hh:mm, optionally :ss and a fraction after
// a point or comma (cut to microseconds), optionally Z or ±hh, ±hhmm, ±hh:mm (after a space where the date ends with
// one); without a zone it is UTC. A leap second is the second after it. Years 0001 to 9999.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

// A number since 1970-01-01 as microseconds, its unit by its magnitude: below 1e11 seconds, below 1e14 milliseconds,
// below 1e17 microseconds, else nanoseconds. A fraction is kept to the microsecond. Years 0001 to 9999.
std::optional<std::int64_t> epoch_micros(std::int64_t number);
std::optional<std::int64_t> epoch_micros(double number);

// Rounds towards the past.
constexpr std::int64_t day_of(std::int64_t micros) {
  return micros >= 0 ? micros / kMicrosPerDay : -((-micros + kMicrosPerDay - 1) / kMicrosPerDay);
}

struct CivilDay {
  int year = 1970;
  int month = 1;
  int day = 1;
};
CivilDay civil_day(std::int64_t days);
// 1 Monday to 7 Sunday.
constexpr int day_of_week(std::int64_t days) {
  const std::int64_t since_monday = (days + 3) % 7;  // 1970-01-01 was a Thursday
  return static_cast<int>(since_monday >= 0 ? since_monday : since_monday + 7) + 1;
}
// "2026-11-21"
std::string date_text(std::int64_t days);
// "2026-11-21T10:00:00Z", with a fraction of six digits where there is one.
std::string timestamp_text(std::int64_t micros);

}  // namespace shoplake::base
