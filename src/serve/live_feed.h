// The live feed: what the collector takes in right now, for the page and for curl.
//
//   GET /api/live            one answer, JSON
//   GET /api/live/events     server-sent events named "live" with the same JSON: one at once, then one when something
//                            has changed, at most one a second and at least one every five
//
// docs/http_api.md describes the answer. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/feed_event.h"
#include "http/message.h"

namespace shoplake::serve {

enum class LiveState {
  off,      // nothing collects here
  waiting,  // no event for a while, all counted
  live,     // events come in and are counted within seconds
  behind,   // catching up with what is acknowledged
  paused,   // a build runs
  stale,    // events are kept, but the models' figures wait for the next build
};

struct LiveView {
  LiveState state = LiveState::off;
  std::string message;  // why it is paused or stale
  double events_per_second = 0;
  std::optional<std::int64_t> latency_p50_micros;  // from receipt to the commit that counts it
  std::optional<std::int64_t> latency_p99_micros;
  std::uint64_t acknowledged = 0;
  std::uint64_t waiting_records = 0;  // acknowledged and not yet counted
  std::uint64_t dead_letters = 0;
  std::uint64_t late = 0;                // kept for the next build, because they are older than live repairs
  std::uint64_t version = 0;             // changes with each commit
  std::vector<event::FeedEvent> events;  // the newest first
};
using LiveSource = std::function<LiveView()>;

std::string live_json(const LiveView& view);

// Tells the open pages. Thread safe.
class LiveFeed {
 public:
  explicit LiveFeed(LiveSource source);
  ~LiveFeed();  // closes the feeds

  http::Response respond(const http::Request& request);         // /api/live
  http::Response respond_events(const http::Request& request);  // /api/live/events; 503 with too many pages

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::serve
