#include "app/tasks/http_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "app/tasks/http_request.h"
#include "app/tasks/outcome.h"
#include "http/address.h"

namespace shoplake::app {

using flow::Json;

namespace {

constexpr std::chrono::seconds kTimeout{60};
constexpr std::size_t kCauseBytesMax = 32'768;  // as TaskFailedEventDetails has it
constexpr std::size_t kSecretBytesMin = 4;      // a shorter one would blank out ordinary words

using Secrets = std::vector<std::string>;

std::string without_secrets(std::string text, const Secrets& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin)
      continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
      text.replace(at, secret.size(), "***");
  }
  return text;
}

bool may_be_sent_twice(const std::string& method) { return method != "POST" && method != "PATCH"; }

flow::TaskOutcome refused(const base::Error& error) {
  const std::string cause = error.advice.empty() ? error.message : error.message + ". " + error.advice;
  if (error.code == "http.host_not_allowed")
    return task_failed("Events.ConnectionResource.AccessDenied", cause);
  return task_failed("States.Runtime", cause);
}

flow::TaskOutcome no_connection(const std::string& name) {
  return task_failed(
      "Events.ConnectionResource.ResourceNotFound",
      fmt::format(
          "There is no connection {}. Add it to `connections` in shoplake.yml, such as {}: {{api_key: {{header: "
          "X-Api-Key, value: \"${{{}_KEY}}\"}}}}, or {}: {{}} if the server asks for nothing.",
          name, name, "NAME", name));
}

flow::TaskOutcome no_answer(const base::Error& error, const Secrets& secrets) {
  if (error.code == "http.too_large")
    return task_failed("States.DataLimitExceeded", fmt::format("The answer has more than {} bytes", kHttpBodyBytesMax));
  return task_failed("States.Http.Socket", without_secrets(error.message, secrets));
}

// A Retry of the definition knows the names of what may go well the next time.
flow::TaskOutcome no_token(const base::Error& error, const Secrets& secrets) {
  const std::string cause =
      without_secrets(error.advice.empty() ? error.message : error.message + ". " + error.advice, secrets);
  if (error.code == "oauth.unavailable")
    return task_failed("States.Http.StatusCode.503", cause);
  if (error.code.starts_with("oauth."))
    return task_failed("Events.ConnectionResource.InvalidConnectionState", cause);
  return task_failed("States.Http.Socket", cause);
}

// The type without parameters, in lower case: "application/json".
std::string media_type(std::string_view header) {
  std::string_view type = header.substr(0, header.find(';'));
  while (type.ends_with(' '))
    type.remove_suffix(1);
  return http::lower_case(type);
}

bool is_text(std::string_view bytes) {
  // nlohmann's own check of UTF-8, which an output has to pass.
  try {
    (void)Json(std::string(bytes)).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Json headers_json(const http::Answer& answer, const Secrets& secrets) {
  Json headers = Json::object();
  for (const auto& [name, value] : answer.headers)
    headers[name].push_back(without_secrets(value, secrets));
  return headers;
}

flow::TaskOutcome outcome_of(const http::Answer& answer, const Secrets& secrets) {
  const std::string type = media_type(answer.header("content-type"));
  for (const std::string_view unsupported : {"application/octet-stream", "image/", "video/", "audio/"}) {
    if (type.starts_with(unsupported))
      return task_failed("States.Runtime", fmt::format("The answer is of type {}, which is no text", type));
  }
  if (!is_text(answer.body))
    return task_failed("States.Runtime", "The answer is no text in UTF-8");
  std::string text = without_secrets(answer.body, secrets);
  const std::string phrase(http::reason_phrase(answer.status));
  if (answer.status < 200 || answer.status >= 300)
    return task_failed(fmt::format("States.Http.StatusCode.{}", answer.status),
                       text.empty() ? phrase : text.substr(0, kCauseBytesMax));
  Json output{{"Headers", headers_json(answer, secrets)}};
  std::optional<Json> document;
  if (type == "application/json" || type.ends_with("+json"))
    document = flow::parse_json(text);
  output["ResponseBody"] = document ? std::move(*document) : Json(std::move(text));
  output["StatusCode"] = answer.status;
  output["StatusText"] = phrase;
  return task_succeeded(std::move(output));
}

}  // namespace

flow::TaskOutcome HttpTask::run(const flow::TaskCall& call) {
  const auto name = connection_name(*call.input);
  if (!name.ok())
    return refused(name.error());
  const auto connection = std::ranges::find(connections_, *name, &Connection::name);
  if (connection == connections_.end())
    return no_connection(*name);
  const auto request = http_request_of(*call.input, *connection);
  if (!request.ok())
    return refused(request.error());
  if (call.is_resumed && !may_be_sent_twice(request->method))
    return task_failed("States.TaskFailed",
                       "The process ended while the request ran; whether it arrived is not known.");
  if (connection->authorization == Connection::Authorization::oauth)
    return call_with_token(call, *connection, *request);
  const auto answer = send(call, *connection, *request);
  return answer.ok() ? outcome_of(*answer, connection->secrets) : no_answer(answer.error(), connection->secrets);
}

flow::TaskOutcome HttpTask::call_with_token(const flow::TaskCall& call, const Connection& connection,
                                            HttpRequest request) {
  Secrets secrets = connection.secrets;
  for (bool is_first = true;; is_first = false) {
    const auto token = tokens_.token(connection, call.stop);
    if (!token.ok())
      return no_token(token.error(), secrets);
    secrets.push_back(*token);
    set_bearer(request, *token);
    const auto answer = send(call, connection, request);
    if (!answer.ok())
      return no_answer(answer.error(), secrets);
    const bool is_refused = answer->status == 401 || answer->status == 407;
    if (is_refused)
      tokens_.forget(connection, *token);
    if (!is_refused || !is_first)
      return outcome_of(*answer, secrets);
  }
}

base::Result<http::Answer> HttpTask::send(const flow::TaskCall& call, const Connection& connection,
                                          const HttpRequest& request) {
  return transport_->send(call_of(request, connection, kTimeout, kHttpBodyBytesMax, call.stop));
}

}  // namespace shoplake::app
