#include "flow/branch.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace shoplake::flow {

namespace {

constexpr std::array<std::pair<std::string_view, Branch::Phase>, 6> kPhases = {{{"ready", Branch::Phase::ready},
                                                                                {"task", Branch::Phase::task},
                                                                                {"retrying", Branch::Phase::retrying},
                                                                                {"waiting", Branch::Phase::waiting},
                                                                                {"children", Branch::Phase::children},
                                                                                {"done", Branch::Phase::done}}};

Json or_null(const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); }

std::optional<std::int64_t> optional_integer(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

}  // namespace

std::string stored(const Branch& branch) {
  std::string_view phase;
  for (const auto& [name, each] : kPhases) {
    if (each == branch.phase)
      phase = name;
  }
  Json document = {{"parent", branch.parent},
                   {"index", branch.index},
                   {"phase", phase},
                   {"state", branch.state},
                   {"input", *branch.input},
                   {"previous_event", branch.previous_event},
                   {"entered_event", branch.entered_event},
                   {"entered_micros", branch.entered_micros},
                   {"retries", branch.retries},
                   {"retry_count", branch.retry_count},
                   {"attempt", branch.attempt},
                   {"wake_micros", branch.wake_micros},
                   {"timeout_at_micros", or_null(branch.timeout_at_micros)},
                   {"heartbeat_at_micros", or_null(branch.heartbeat_at_micros)},
                   {"heartbeat_micros", branch.heartbeat_micros}};
  if (branch.item)
    document["item"] = *branch.item;
  if (branch.phase == Branch::Phase::task)
    document["task_input"] = *branch.effective_input;
  return compact(document);
}

base::Result<Branch> restored(std::int64_t id, const std::string& text) {
  try {
    const Json document = Json::parse(text);
    Branch branch;
    branch.id = id;
    branch.parent = document.at("parent");
    branch.index = document.at("index");
    for (const auto& [name, phase] : kPhases) {
      if (document.at("phase") == name)
        branch.phase = phase;
    }
    branch.state = document.at("state");
    branch.input = std::make_shared<const Json>(document.at("input"));
    branch.previous_event = document.at("previous_event");
    branch.entered_event = document.at("entered_event");
    branch.entered_micros = document.at("entered_micros");
    branch.retries = document.at("retries").get<std::vector<std::int64_t>>();
    branch.retry_count = document.at("retry_count");
    branch.attempt = document.at("attempt");
    branch.wake_micros = document.at("wake_micros");
    branch.timeout_at_micros = optional_integer(document.at("timeout_at_micros"));
    branch.heartbeat_at_micros = optional_integer(document.at("heartbeat_at_micros"));
    branch.heartbeat_micros = document.at("heartbeat_micros");
    if (document.contains("item"))
      branch.item = std::make_shared<const Json>(document.at("item"));
    if (branch.phase == Branch::Phase::task)
      branch.effective_input = std::make_shared<const Json>(document.at("task_input"));
    return branch;
  } catch (const Json::exception& error) {
    return base::make_error(base::ErrorKind::internal, "flow.bad_stored_execution",
                            std::string("a stored branch cannot be read: ") + error.what());
  }
}

}  // namespace shoplake::flow
