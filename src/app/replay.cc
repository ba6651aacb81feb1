#include "app/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "app/live_options.h"

namespace shoplake::app {

using base::Result;

Result<std::int64_t> parse_moment(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, end = 0;
  const std::string copy(text);
  const bool whole_day = std::sscanf(copy.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 &&
                         end == static_cast<int>(copy.size());
  const bool moment = !whole_day && std::sscanf(copy.c_str(), "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &year, &month, &day,
                                                &hour, &minute, &second, &end) == 6;
  const std::string_view rest = text.substr(std::min<std::size_t>(text.size(), static_cast<std::size_t>(end)));
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if ((!whole_day && !moment) || (!rest.empty() && rest != "Z") || !date.ok() || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59) {
    return base::make_error(base::ErrorKind::usage, "replay.bad_moment", fmt::format("\"{}\" is no moment", text),
                            "Write a day or a moment in UTC: 2026-11-20 or 2026-11-20T14:00:00Z.");
  }
  const auto at = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                  std::chrono::seconds(second);
  return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
}

Result<live::ReplayReport> replay_stream(App& app, live::ReplayOptions options) {
  const auto streams = SHOPLAKE_TRY(open_streams(app));
  std::vector<live::Stream> known = SHOPLAKE_TRY(live_streams(app, *streams, true));
  if (std::ranges::none_of(known, [&](const live::Stream& stream) { return stream.name == options.stream; })) {
    std::string names;
    for (const live::Stream& stream : known)
      names += (names.empty() ? "" : ", ") + stream.name;
    return base::make_error(base::ErrorKind::usage, "replay.no_such_stream",
                            fmt::format("there is no stream {} with a contract", options.stream),
                            fmt::format("There are {}.", names));
  }
  const auto live = SHOPLAKE_TRY(live::Live::open(SHOPLAKE_TRY(live_options(app, std::move(known)))));
  return live->replay(options);
}

Result<live::RetryReport> retry_quarantine(App& app, live::RetryOptions options) {
  const auto streams = SHOPLAKE_TRY(open_streams(app));
  const auto live =
      SHOPLAKE_TRY(live::Live::open(SHOPLAKE_TRY(live_options(app, SHOPLAKE_TRY(live_streams(app, *streams, true))))));
  return live->retry(options);
}

}  // namespace shoplake::app
