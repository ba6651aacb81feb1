#include "serve/live_feed.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "serve/moment.h"

namespace shoplake::serve {
namespace {

using Json = nlohmann::ordered_json;

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
  for (const LiveEvent& event : view.events) {
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

}  // namespace shoplake::serve
