#include "serve/moment.h"

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::serve {

using std::chrono::days;
using std::chrono::sys_days;

std::optional<sys_days> parse_date(std::string_view text) {
  // base reads 20261120 too.
  const auto days = text.size() == 10 ? base::parse_date(text) : std::nullopt;
  constexpr std::chrono::sys_days kFirst = std::chrono::year(1900) / 1 / 1;
  if (!days || *days < kFirst.time_since_epoch().count())
    return std::nullopt;
  return sys_days(std::chrono::days(*days));
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
