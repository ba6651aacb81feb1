// Bringing records in again by the live path, from the raw objects of a stream. What is there already is left alone;
// what comes in is counted once and keeps the time at which it was first received.
#pragma once

#include <stop_token>
#include <string>

#include "app/app.h"
#include "base/result.h"
#include "live/live.h"

namespace shoplake::app {

// "2026-11-20" or "2026-11-20T14:00:00Z" (UTC; without a zone, too) as microseconds since 1970. Error replay.bad_moment
// (usage).
base::Result<std::int64_t> parse_moment(std::string_view text);

// Errors: replay.no_such_stream (usage), those of live::Live.
base::Result<live::ReplayReport> replay_stream(App& app, live::ReplayOptions options);

}  // namespace shoplake::app
