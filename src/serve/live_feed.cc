#include "serve/live_feed.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "serve/moment.h"

namespace shoplake::serve {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPagesMax = 256;
constexpr std::chrono::milliseconds kTellEvery{1'000};
constexpr int kSilentRoundsMax = 5;  // so that rate and latency do not grow stale, and a dead connection is noticed

const char* name(LiveState state) {
  switch (state) {
    case LiveState::off: return "off";
    case LiveState::waiting: return "waiting";
    case LiveState::live: return "live";
    case LiveState::behind: return "behind";
    case LiveState::paused: return "paused";
    case LiveState::stale: return "stale";
  }
  return "off";
}

double millis(std::int64_t micros) { return std::round(static_cast<double>(micros) / 1000); }

}  // namespace

std::string live_json(const LiveView& view) {
  Json out;
  out["state"] = name(view.state);
  if (!view.message.empty())
    out["message"] = view.message;
  out["events_per_second"] = std::round(view.events_per_second * 10) / 10;
  if (view.latency_p50_micros && view.latency_p99_micros) {
    out["latency_ms"] = {{"p50", millis(*view.latency_p50_micros)}, {"p99", millis(*view.latency_p99_micros)}};
  } else {
    out["latency_ms"] = nullptr;
  }
  out["acknowledged"] = view.acknowledged;
  out["waiting_records"] = view.waiting_records;
  out["dead_letters"] = view.dead_letters;
  out["late"] = view.late;
  out["version"] = std::to_string(view.version);
  out["events"] = Json::array();
  for (const event::FeedEvent& event : view.events) {
    Json row;
    row["at"] = format_moment(event.at_micros);
    row["stream"] = event.stream;
    row["name"] = event.name;
    row["page"] = event.page;
    row["source"] = event.source;
    row["user"] = event.user;
    row["value"] = event.value ? Json(*event.value) : Json(nullptr);
    out["events"].push_back(std::move(row));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

struct LiveFeed::State {
  LiveSource source;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::shared_ptr<http::Feed>> pages;
  std::jthread thread;  // last, so that it ends before what it uses

  static std::string chunk(const std::string& json) { return "event: live\ndata: " + json + "\n\n"; }

  // Works only while a page is open.
  void tell(const std::stop_token& stop) {
    std::string last;
    int silent = 0;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      changed.wait(lock, stop, [&] { return !pages.empty(); });
      lock.unlock();
      std::string json = live_json(source());
      lock.lock();
      if (json != last || ++silent >= kSilentRoundsMax) {
        silent = 0;
        const std::string text = chunk(json);
        std::erase_if(pages, [&](const std::shared_ptr<http::Feed>& page) { return !page->push(text); });
        last = std::move(json);
      }
      changed.wait_for(lock, stop, kTellEvery, [] { return false; });
    }
    for (const std::shared_ptr<http::Feed>& page : pages)
      page->close();
  }
};

LiveFeed::LiveFeed(LiveSource source) : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
  State* raw = state_.get();
  state_->thread = std::jthread([raw](const std::stop_token& stop) { raw->tell(stop); });
}

LiveFeed::~LiveFeed() = default;

http::Response LiveFeed::respond(const http::Request&) {
  http::Response response = http::json_response(live_json(state_->source()));
  response.set("Cache-Control", "no-store");
  return response;
}

http::Response LiveFeed::respond_events(const http::Request&) {
  auto page = std::make_shared<http::Feed>();
  page->push(State::chunk(live_json(state_->source())));
  {
    const std::lock_guard lock(state_->mutex);
    std::erase_if(state_->pages, [](const std::shared_ptr<http::Feed>& other) { return other->closed(); });
    if (state_->pages.size() >= kPagesMax) {
      http::Response refused = http::error_response(503, "serve.too_many_pages", "too many pages follow the live feed",
                                                    "close some, or ask /api/live now and then");
      refused.set("Retry-After", "5");
      return refused;
    }
    state_->pages.push_back(page);
  }
  state_->changed.notify_all();
  http::Response response;
  response.content_type = "text/event-stream";
  response.set("Cache-Control", "no-store");
  response.feed = std::move(page);
  return response;
}

}  // namespace shoplake::serve
