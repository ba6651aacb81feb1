#include "query/point_in_time.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/moment.h"

namespace shoplake::query {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

base::Result<PointInTime> parse_point_in_time(const std::string& text) {
  if (!text.empty() && std::ranges::all_of(text, is_digit)) {
    std::int64_t id = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), id).ec == std::errc()) {
      return PointInTime(SnapshotId{id});
    }
  } else if (const auto micros = base::parse_timestamp(text)) {
    return PointInTime(Moment{*micros / 1000 - (*micros % 1000 < 0 ? 1 : 0)});
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
