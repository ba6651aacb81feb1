#include "serve/moment.h"

#include <fmt/format.h>

#include <array>

namespace shoplake::serve {

using std::chrono::days;
using std::chrono::sys_days;

std::optional<sys_days> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-')
    return std::nullopt;
  int parts[3] = {0, 0, 0};
  int part = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4 || i == 7) {
      ++part;
    } else if (text[i] >= '0' && text[i] <= '9') {
      parts[part] = parts[part] * 10 + (text[i] - '0');
    } else {
      return std::nullopt;
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!date.ok() || parts[0] < 1900)
    return std::nullopt;
  return sys_days(date);
}

std::string format_date(sys_days date) {
  const std::chrono::year_month_day parts(date);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(parts.year()), static_cast<unsigned>(parts.month()),
                     static_cast<unsigned>(parts.day()));
}

// "2026-11-20T23:59:58Z"
std::string format_moment(std::int64_t micros) {
  std::int64_t seconds = micros / 1'000'000;
  if (micros % 1'000'000 < 0)
    --seconds;
  const std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
  const auto date = std::chrono::floor<days>(moment);
  const std::chrono::hh_mm_ss time(moment - date);
  return fmt::format("{}T{:02}:{:02}:{:02}Z", format_date(date), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

}  // namespace shoplake::serve
