#include "app/flows/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <vector>

#include "base/moment.h"

namespace shoplake::app {

using base::make_error;
using base::Result;

namespace {

constexpr std::int64_t kMicrosPerMinute = 60 * base::kMicrosPerSecond;
constexpr int kFirstYear = 1970, kLastYear = 2199;
constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

base::Error wrong(std::string_view expression, const std::string& what) {
  return make_error(base::ErrorKind::usage, "flow.bad_schedule", fmt::format("{}: {}", expression, what),
                    "Write cron(minutes hours day-of-month month day-of-week year), such as cron(0 6 * * ? *), or "
                    "rate(6 hours).");
}

std::string upper(std::string_view text) {
  std::string all(text);
  std::ranges::transform(all, all.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos)
      return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

// One field of a cron expression: what its values may be and how they are called.
struct Field {
  std::string_view name;
  int first, last;
  const std::string_view* names = nullptr;  // of first, first + 1, …
  std::size_t name_count = 0;

  std::optional<int> value(std::string_view text) const {
    for (std::size_t i = 0; i < name_count; ++i) {
      if (names[i] == text)
        return first + static_cast<int>(i);
    }
    const auto given = number(text);
    return given && *given >= first && *given <= last ? given : std::nullopt;
  }
};

// The values of "1,10-20/5,MON"; `set` is called with each.
template <typename Set>
Result<void> read_field(const Field& field, std::string_view text, std::string_view expression, Set set) {
  for (const std::string_view part : split(text, ',')) {
    const auto slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    const auto dash = range.find('-');
    std::optional<int> from, to;
    if (range == "*") {
      from = field.first;
      to = field.last;
    } else if (dash == std::string_view::npos) {
      from = field.value(range);
      to = slash == std::string_view::npos ? from : std::optional(field.last);
    } else {
      from = field.value(range.substr(0, dash));
      to = field.value(range.substr(dash + 1));
    }
    const std::optional<int> step = slash == std::string_view::npos ? 1 : number(part.substr(slash + 1));
    if (!from || !to || *from > *to || !step || *step < 1)
      return wrong(expression,
                   fmt::format("\"{}\" is no value of {}, {} to {}", part, field.name, field.first, field.last));
    for (int value = *from; value <= *to; value += *step)
      set(value);
  }
  return {};
}

int days_in_month(int year, int month) {
  const std::int64_t first = base::days_of(year, month, 1).value_or(0);
  const std::int64_t next = base::days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1).value_or(0);
  return static_cast<int>(next - first);
}

// The moment at which a clock of the zone first shows this local time; nothing if it never does.
std::optional<std::int64_t> moment_of(std::int64_t local_micros, const collect::TimeZone& zone) {
  std::optional<std::int64_t> earliest;
  for (const std::int64_t around : {local_micros - base::kMicrosPerDay, local_micros + base::kMicrosPerDay}) {
    const std::int64_t offset = zone.offset_seconds(around / base::kMicrosPerSecond) * base::kMicrosPerSecond;
    const std::int64_t moment = local_micros - offset;
    if (zone.offset_seconds(moment / base::kMicrosPerSecond) * base::kMicrosPerSecond == offset)
      earliest = std::min(earliest.value_or(moment), moment);
  }
  return earliest;
}

}  // namespace

Result<Schedule> Schedule::parse(std::string_view expression) {
  while (expression.ends_with(' '))
    expression.remove_suffix(1);
  const auto open = expression.find('(');
  if (open == std::string_view::npos || !expression.ends_with(')'))
    return wrong(expression, "it is neither cron(…) nor rate(…)");
  const std::string_view kind = expression.substr(0, open);
  const std::string_view inner = expression.substr(open + 1, expression.size() - open - 2);
  Schedule schedule;
  if (kind == "cron") {
    schedule.cron_ = SHOPLAKE_TRY(parse_cron(inner, expression));
    return schedule;
  }
  if (kind != "rate")
    return wrong(expression, "it is neither cron(…) nor rate(…)");
  const auto space = inner.find(' ');
  const auto value = number(inner.substr(0, space));
  std::string_view unit = space == std::string_view::npos ? "" : inner.substr(space + 1);
  if (unit.ends_with('s'))
    unit.remove_suffix(1);
  const std::int64_t minutes = unit == "minute" ? 1 : unit == "hour" ? 60 : unit == "day" ? 24 * 60 : 0;
  if (!value || *value < 1 || *value > 366 * 24 * 60 || minutes == 0)
    return wrong(expression, "a rate is a number and minutes, hours or days");
  schedule.rate_micros_ = *value * minutes * kMicrosPerMinute;
  return schedule;
}

Result<Schedule::Cron> Schedule::parse_cron(std::string_view text, std::string_view expression) {
  std::vector<std::string> fields;
  for (const std::string_view part : split(text, ' ')) {
    if (!part.empty())
      fields.push_back(upper(part));
  }
  if (fields.size() != 6)
    return wrong(expression, fmt::format("it has {} fields, not six", fields.size()));
  Cron cron;
  const auto setter = [](auto& bits, int base) {
    return [&bits, base](int value) { bits.set(static_cast<std::size_t>(value - base)); };
  };
  SHOPLAKE_TRY(read_field({"minutes", 0, 59}, fields[0], expression, setter(cron.minutes, 0)));
  SHOPLAKE_TRY(read_field({"hours", 0, 23}, fields[1], expression, setter(cron.hours, 0)));
  SHOPLAKE_TRY(
      read_field({"month", 1, 12, kMonths.data(), kMonths.size()}, fields[3], expression, setter(cron.months, 0)));
  SHOPLAKE_TRY(read_field({"year", kFirstYear, kLastYear}, fields[5], expression, setter(cron.years, kFirstYear)));

  cron.any_day = fields[2] == "?";
  cron.any_weekday = fields[4] == "?";
  if (cron.any_day == cron.any_weekday)
    return wrong(expression, "one of day-of-month and day-of-week is ?, and only one");
  if (fields[2] == "L") {
    cron.last_day = true;
  } else if (!cron.any_day) {
    SHOPLAKE_TRY(read_field({"day-of-month", 1, 31}, fields[2], expression, setter(cron.days, 0)));
  }
  const Field weekday{"day-of-week", 1, 7, kWeekdays.data(), kWeekdays.size()};
  const std::string_view days = fields[4];
  if (cron.any_weekday)
    return cron;
  if (const auto hash = days.find('#'); hash != std::string_view::npos) {
    const auto day = weekday.value(days.substr(0, hash)), nth = number(days.substr(hash + 1));
    if (!day || !nth || *nth < 1 || *nth > 5)
      return wrong(expression, fmt::format("\"{}\" is no n-th day of the week of a month", days));
    cron.nth_weekday = *day;
    cron.nth_of_month = *nth;
  } else if (days.size() > 1 && days.ends_with('L')) {
    const auto day = weekday.value(days.substr(0, days.size() - 1));
    if (!day)
      return wrong(expression, fmt::format("\"{}\" is no last day of the week of a month", days));
    cron.last_weekday = *day;
  } else {
    SHOPLAKE_TRY(read_field(weekday, days == "L" ? "7" : days, expression, setter(cron.weekdays, 0)));
  }
  return cron;
}

bool Schedule::Cron::takes(std::int64_t day) const {
  const base::CivilDay date = base::civil_day(day);
  if (date.year < kFirstYear || date.year > kLastYear ||
      !years.test(static_cast<std::size_t>(date.year - kFirstYear)) ||
      !months.test(static_cast<std::size_t>(date.month)))
    return false;
  const int last = days_in_month(date.year, date.month);
  if (last_day)
    return date.day == last;
  if (!any_day)
    return days.test(static_cast<std::size_t>(date.day));
  const int weekday = base::day_of_week(day) % 7 + 1;  // 1 is Sunday
  if (last_weekday != 0)
    return weekday == last_weekday && date.day + 7 > last;
  if (nth_weekday != 0)
    return weekday == nth_weekday && (date.day - 1) / 7 + 1 == nth_of_month;
  return weekdays.test(static_cast<std::size_t>(weekday));
}

std::optional<std::int64_t> Schedule::next(std::int64_t after_micros, const collect::TimeZone& zone) const {
  if (!cron_)
    return (after_micros / rate_micros_ + 1) * rate_micros_;
  const std::int64_t offset = zone.offset_seconds(after_micros / base::kMicrosPerSecond) * base::kMicrosPerSecond;
  const std::int64_t last = base::days_of(kLastYear, 12, 31).value_or(0);
  // From the day before: where clocks go back at midnight, a day's times may come after those of the next one.
  for (std::int64_t day = base::day_of(after_micros + offset) - 1; day <= last; ++day) {
    if (!cron_->takes(day))
      continue;
    for (int hour = 0; hour < 24; ++hour) {
      if (!cron_->hours.test(static_cast<std::size_t>(hour)))
        continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (!cron_->minutes.test(static_cast<std::size_t>(minute)))
          continue;
        const auto moment = moment_of(day * base::kMicrosPerDay + (hour * 60 + minute) * kMicrosPerMinute, zone);
        if (moment && *moment > after_micros)
          return moment;
      }
    }
  }
  return std::nullopt;
}

}  // namespace shoplake::app
