#include "query/point_in_time.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string_view>

namespace shoplake::query {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes apart a text from its front; every step says whether it was there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `digits` digits.
  std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits || !std::ranges::all_of(rest_.substr(0, digits), is_digit)) {
      return std::nullopt;
    }
    int value = 0;
    std::from_chars(rest_.data(), rest_.data() + digits, value);
    rest_.remove_prefix(digits);
    return value;
  }
  // Digits after a point as thousandths; further ones are cut.
  std::optional<int> thousandths() {
    int value = 0;
    int count = 0;
    while (!rest_.empty() && is_digit(rest_[0])) {
      if (count < 3) {
        value = value * 10 + (rest_[0] - '0');
      }
      ++count;
      rest_.remove_prefix(1);
    }
    for (int digits = count; digits < 3; ++digits) {
      value *= 10;
    }
    return count == 0 ? std::nullopt : std::optional(value);
  }

 private:
  std::string_view rest_;
};

std::optional<std::int64_t> parse_date(Scanner& scanner) {
  const auto year = scanner.number(4);
  const bool first = scanner.take('-');
  const auto month = scanner.number(2);
  const bool second = scanner.take('-');
  const auto day = scanner.number(2);
  if (!year || !first || !month || !second || !day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400'000};
}

// hh:mm[:ss[.fff]]
std::optional<std::int64_t> parse_time(Scanner& scanner) {
  const auto hour = scanner.number(2);
  if (!hour || *hour > 23 || !scanner.take(':')) {
    return std::nullopt;
  }
  const auto minute = scanner.number(2);
  if (!minute || *minute > 59) {
    return std::nullopt;
  }
  std::int64_t milliseconds = (*hour * 60 + *minute) * std::int64_t{60'000};
  if (!scanner.take(':')) {
    return milliseconds;
  }
  const auto second = scanner.number(2);
  if (!second || *second > 59) {
    return std::nullopt;
  }
  milliseconds += *second * 1000;
  if (scanner.take('.')) {
    const auto fraction = scanner.thousandths();
    if (!fraction) {
      return std::nullopt;
    }
    milliseconds += *fraction;
  }
  return milliseconds;
}

// Z, ±hh, ±hhmm, ±hh:mm, or nothing.
std::optional<std::int64_t> parse_zone(Scanner& scanner) {
  if (scanner.at_end() || scanner.take('Z') || scanner.take('z')) {
    return 0;
  }
  const int sign = scanner.take('+') ? 1 : scanner.take('-') ? -1 : 0;
  const auto hours = scanner.number(2);
  if (sign == 0 || !hours || *hours > 18) {
    return std::nullopt;
  }
  int minutes = 0;
  if (!scanner.at_end()) {
    scanner.take(':');
    const auto given = scanner.number(2);
    if (!given || *given > 59) {
      return std::nullopt;
    }
    minutes = *given;
  }
  return sign * (*hours * 60 + minutes) * std::int64_t{60'000};
}

std::optional<std::int64_t> parse_moment(std::string_view text) {
  Scanner scanner(text);
  const auto date = parse_date(scanner);
  if (!date || scanner.at_end()) {
    return date;
  }
  if (!scanner.take('T') && !scanner.take(' ')) {
    return std::nullopt;
  }
  const auto time = parse_time(scanner);
  scanner.take(' ');
  const auto zone = parse_zone(scanner);
  if (!time || !zone || !scanner.at_end()) {
    return std::nullopt;
  }
  return *date + *time - *zone;
}

}  // namespace

base::Result<PointInTime> parse_point_in_time(const std::string& text) {
  if (!text.empty() && std::ranges::all_of(text, is_digit)) {
    std::int64_t id = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), id).ec == std::errc()) {
      return PointInTime(SnapshotId{id});
    }
  } else if (const auto moment = parse_moment(text)) {
    return PointInTime(Moment{*moment});
  }
  return base::make_error(
      base::ErrorKind::usage, "query.bad_time", "\"" + text + "\" is neither a time nor the id of a snapshot",
      "Write 2026-11-21, 2026-11-21T10:30:00Z or a snapshot's number (`shoplake catalog history` lists them).");
}

std::string format_moment(Moment moment) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(moment.milliseconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d.%03d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

}  // namespace shoplake::query
