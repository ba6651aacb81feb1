#include "app/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/live_options.h"
#include "base/moment.h"

namespace shoplake::app {

using base::Result;

Result<std::int64_t> parse_moment(std::string_view text) {
  if (const auto micros = base::parse_timestamp(text)) {
    return *micros;
  }
  return base::make_error(base::ErrorKind::usage, "replay.bad_moment", fmt::format("\"{}\" is no moment", text),
                          "Write a day or a moment in UTC: 2026-11-20 or 2026-11-20T14:00:00Z.");
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

}  // namespace shoplake::app
