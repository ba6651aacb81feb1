#include "app/tasks/outcome.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

base::Error wrong_parameter(const char* name, std::string_view what) {
  return base::make_error(base::ErrorKind::usage, "task.parameters", fmt::format("the parameter {} {}", name, what),
                          "docs/flows.md lists the parameters of each task.");
}

}  // namespace

flow::TaskOutcome task_succeeded(Json output) { return std::make_shared<const Json>(std::move(output)); }

flow::TaskOutcome task_failed(std::string error, std::string cause) {
  return flow::StateFailure{std::move(error), std::move(cause)};
}

flow::TaskOutcome task_failed_with(std::string error, const Json& cause) {
  return task_failed(std::move(error), flow::compact(cause));
}

std::string call_uuid(const flow::TaskCall& call) {
  std::string hex = base::sha256_hex(call.id).substr(0, 32);
  hex[12] = '8';  // a UUID of version 8: the application's own
  hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

void add_response_metadata(Json& output, const flow::TaskCall& call) {
  output["SdkHttpMetadata"] = {{"HttpStatusCode", 200}};
  output["SdkResponseMetadata"] = {{"RequestId", call_uuid(call)}};
}

Result<std::optional<std::string>> text_parameter(const Json& input, const char* name) {
  const auto found = input.is_object() ? input.find(name) : input.end();
  if (!input.is_object() || found == input.end() || found->is_null())
    return std::optional<std::string>();
  if (!found->is_string())
    return wrong_parameter(name, "is no text");
  return std::optional(found->get<std::string>());
}

Result<std::string> needed_parameter(const Json& input, const char* name) {
  auto text = SHOPLAKE_TRY(text_parameter(input, name));
  if (!text || text->empty())
    return wrong_parameter(name, "is missing");
  return std::move(*text);
}

Result<std::vector<std::string>> list_parameter(const Json& input, const char* name) {
  std::vector<std::string> all;
  const auto found = input.is_object() ? input.find(name) : input.end();
  if (!input.is_object() || found == input.end() || found->is_null())
    return all;
  if (found->is_string()) {
    all.push_back(found->get<std::string>());
    return all;
  }
  if (!found->is_array())
    return wrong_parameter(name, "is neither a text nor a list of texts");
  for (const Json& each : *found) {
    if (!each.is_string())
      return wrong_parameter(name, "is no list of texts");
    all.push_back(each.get<std::string>());
  }
  return all;
}

std::string exception_name(std::string_view code) {
  std::string name;
  bool is_first = true;
  for (const char c : code) {
    if (c == '.' || c == '_') {
      is_first = true;
      continue;
    }
    name += is_first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    is_first = false;
  }
  return name;
}

bool is_transient(const base::Error& error) {
  switch (error.kind) {
    case base::ErrorKind::environment:
    case base::ErrorKind::conflict:
    case base::ErrorKind::unknown_outcome:
    case base::ErrorKind::cancelled: return true;
    default: return false;
  }
}

std::string_view last_of_arn(std::string_view name) {
  const auto colon = name.rfind(':');
  return name.starts_with("arn:") && colon != std::string_view::npos ? name.substr(colon + 1) : name;
}

}  // namespace shoplake::app
