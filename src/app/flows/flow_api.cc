#include "app/flows/flow_api.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "app/flows/operations.h"
#include "base/moment.h"
#include "collect/sigv4.h"

namespace shoplake::app {

using flow::Json;

namespace {

constexpr std::string_view kExecutions = "executions";
constexpr std::string_view kBearer = "Bearer ";

Json execution_json(const flow::ExecutionRow& row) {
  Json json{{"flow", row.flow},
            {"name", row.name},
            {"status", flow::name(row.status)},
            {"started_by", row.started_by},
            {"started_at", base::timestamp_text(row.started_micros)},
            {"input", Json::parse(row.input, nullptr, false)}};
  if (row.ended_micros)
    json["ended_at"] = base::timestamp_text(*row.ended_micros);
  if (row.output)
    json["output"] = Json::parse(*row.output, nullptr, false);
  if (row.error)
    json["error"] = *row.error;
  if (row.cause)
    json["cause"] = *row.cause;
  return json;
}

http::Response no_such_address(const http::Request& request) {
  return http::error_response(404, "serve.no_such_address", fmt::format("there is nothing at {}", request.path),
                              "Addresses are /v1/flows/<flow>/executions and …/executions/<name>.");
}

}  // namespace

http::Response FlowApi::respond(const http::Request& request) {
  std::string_view path = request.path;
  path.remove_prefix(kFlowApi.size());
  const auto slash = path.find('/');
  const std::string flow(path.substr(0, slash));
  std::string_view rest = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  if (!rest.starts_with(kExecutions))
    return no_such_address(request);
  rest.remove_prefix(kExecutions.size());
  if (trigger_of(request, flow) == nullptr) {
    http::Response response = http::error_response(
        401, "flow.not_authorized", fmt::format("the request has no token of the flow {}", flow),
        "Send Authorization: Bearer <token> with the token of an http trigger of this flow (flows/triggers.yml).");
    response.set("WWW-Authenticate", "Bearer");
    return response;
  }
  if (rest.empty() && request.method == "POST")
    return start(request, flow);
  if (rest.size() > 1 && rest.front() == '/' && request.method != "POST")
    return show(flow, std::string(rest.substr(1)));
  return no_such_address(request);
}

// Every token is compared, in constant time, so that the time of the answer says nothing.
const Trigger* FlowApi::trigger_of(const http::Request& request, const std::string& flow) const {
  const std::string_view header = request.header("authorization").value_or("");
  if (!header.starts_with(kBearer))
    return nullptr;
  const std::string_view token = header.substr(kBearer.size());
  const Trigger* found = nullptr;
  for (const Trigger& trigger : service_.triggers().triggers) {
    if (trigger.is_enabled && trigger.http_token && trigger.flow == flow &&
        collect::equal_in_constant_time(*trigger.http_token, token))
      found = &trigger;
  }
  return found;
}

http::Response FlowApi::start(const http::Request& request, const std::string& flow) {
  const Json body = request.body.empty() ? Json::object() : flow::parse_json(request.body).value_or(Json());
  const Trigger& trigger = *trigger_of(request, flow);
  if (!body.is_object() || (body.contains("name") && !body["name"].is_string()) ||
      (body.contains("input") && !body["input"].is_object())) {
    return http::error_response(400, "flow.bad_request", "the body is no JSON object with \"name\" and \"input\"",
                                R"(Send {"name": "nightly-1", "input": {}}; both may be left out.)");
  }
  Json input = Json::parse(trigger.input);
  if (const auto given = body.find("input"); given != body.end())
    input.update(*given);
  StartFlow start;
  start.flow = flow;
  start.name = body.value("name", "");
  start.input = flow::compact(input);
  start.started_by = "http:" + trigger.name;
  const auto started = start_flow(app_, start);
  if (!started.ok())
    return http::error_response(started.error());
  service_.wake();
  return http::json_response(
      flow::compact(
          Json{{"flow", started->flow}, {"name", started->execution.name}, {"is_new", started->execution.is_new}}),
      started->execution.is_new ? 201 : 200);
}

http::Response FlowApi::show(const std::string& flow, const std::string& name) {
  const auto row = find_execution(app_, flow, name);
  return row.ok() ? http::json_response(flow::compact(execution_json(*row))) : http::error_response(row.error());
}

}  // namespace shoplake::app
