#include "flow/history.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace shoplake::flow {

ResourceName parse_resource(std::string_view resource) {
  ResourceName name;
  constexpr std::string_view kFunction = "arn:aws:lambda:";
  constexpr std::string_view kIntegration = "arn:aws:states:::";
  if (resource.starts_with(kFunction)) {
    name.is_function = true;
    name.type = "lambda";
    name.action = resource.substr(resource.rfind(':') + 1);
    return name;
  }
  if (resource.starts_with(kIntegration))
    resource.remove_prefix(kIntegration.size());
  const std::size_t colon =
      resource.rfind(':', resource.ends_with(".sync:2") ? resource.size() - 3 : std::string_view::npos);
  if (colon == std::string_view::npos) {
    name.type = "activity";
    name.action = resource;
  } else {
    name.type = resource.substr(0, colon);
    name.action = resource.substr(colon + 1);
  }
  return name;
}

Json event_document(std::int64_t id, std::int64_t previous, std::string type) {
  return {{"id", id}, {"previousEventId", previous}, {"type", std::move(type)}};
}

Json with_payload(Json details, std::string_view field, const Json& payload) {
  details[std::string(field)] = payload;
  details[std::string(field) + "Details"] = {{"truncated", false}};
  return details;
}

Json failure_details(const std::optional<std::string>& error, const std::optional<std::string>& cause) {
  Json details = Json::object();
  if (error)
    details["error"] = *error;
  if (cause)
    details["cause"] = *cause;
  return details;
}

}  // namespace shoplake::flow
