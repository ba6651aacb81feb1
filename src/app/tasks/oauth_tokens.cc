#include "app/tasks/oauth_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "aws/signature.h"
#include "base/base64.h"
#include "flow/json.h"
#include "http/address.h"

namespace shoplake::app {

using base::ErrorKind;
using base::Result;
using flow::Json;

namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kReasonBytesMax = 500;

std::string form_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string form;
  for (const auto& [name, value] : pairs)
    form += fmt::format("{}{}={}", form.empty() ? "" : "&", aws::uri_encode(name), aws::uri_encode(value));
  return form;
}

bool has(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view name) {
  return std::ranges::any_of(pairs, [&](const auto& pair) { return pair.first == name; });
}

std::string text_member(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Some servers write the number as a text.
std::int64_t lifetime_seconds(const Json& json) {
  const auto found = json.find("expires_in");
  std::int64_t seconds = kTokenLifetimeSeconds;
  if (found != json.end() && found->is_number()) {
    const auto given = found->get<double>();
    seconds = given >= static_cast<double>(kTokenLifetimeSecondsMax) ? kTokenLifetimeSecondsMax
                                                                     : static_cast<std::int64_t>(given);
  } else if (found != json.end() && found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    (void)std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  return std::clamp<std::int64_t>(seconds, 0, kTokenLifetimeSecondsMax);
}

base::Error bad_answer(const Connection& connection, const std::string& what) {
  return base::make_error(ErrorKind::environment, "oauth.bad_answer",
                          fmt::format("The authorization endpoint of the connection {} {}", connection.name, what),
                          "Check `authorization_endpoint` in shoplake.yml.");
}

// RFC 6749 section 5.2: error and error_description.
base::Error refused(const Connection& connection, const http::Answer& answer) {
  const Json json = flow::parse_json(answer.body).value_or(Json());
  std::string reason = text_member(json, "error");
  if (const std::string description = text_member(json, "error_description"); !description.empty())
    reason += (reason.empty() ? "" : ": ") + description;
  std::string text = fmt::format("The authorization endpoint of the connection {} answers {}{}{}", connection.name,
                                 answer.status, reason.empty() ? "" : ": ", reason.substr(0, kReasonBytesMax));
  if (answer.status == 429 || answer.status >= 500)
    return base::make_error(ErrorKind::environment, "oauth.unavailable", std::move(text), "Try again later.");
  return base::make_error(ErrorKind::usage, "oauth.refused", std::move(text),
                          "Check client_id, client_secret and oauth_http_parameters of the connection in "
                          "shoplake.yml.");
}

// What goes into a header: RFC 6750 section 2.1, b64token, and what else is printable, as servers take liberties.
bool is_token(const std::string& token) {
  return !token.empty() && token.size() <= kTokenBytesMax &&
         std::ranges::all_of(token, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

HttpRequest token_request(const OAuthClient& client) {
  HttpRequest request{client.http_method, client.authorization_endpoint, client.headers, {}};
  auto query = client.query;
  auto form = client.body;
  const bool is_get = client.http_method == "GET";
  if (!has(form, "grant_type") && !has(query, "grant_type"))
    (is_get ? query : form).emplace_back("grant_type", "client_credentials");
  if (client.is_in_body) {
    form.emplace_back("client_id", client.client_id);
    form.emplace_back("client_secret", client.client_secret);
  } else {
    request.headers.emplace_back("Authorization", "Basic " + client.basic_credentials());
  }
  if (!query.empty())
    request.url += (request.url.find('?') == std::string::npos ? '?' : '&') + form_pairs(query);
  if (!is_get) {
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body = form_pairs(form);
  }
  request.headers.emplace_back("Accept", "application/json");
  request.headers.emplace_back("User-Agent", "shoplake");
  return request;
}

OAuthTokens::Entry& OAuthTokens::entry_of(const Connection& connection) {
  const std::scoped_lock lock(mutex_);
  auto& entry = entries_[connection.name];
  if (!entry)
    entry = std::make_unique<Entry>();
  return *entry;
}

Result<std::string> OAuthTokens::token(const Connection& connection, std::stop_token stop) {
  Entry& entry = entry_of(connection);
  const std::scoped_lock lock(entry.mutex);
  const std::int64_t now = clock_.monotonic_micros();
  if (!entry.token.empty() && now < entry.used_until_micros)
    return entry.token;
  entry.token.clear();
  const HttpRequest request = token_request(connection.oauth);
  const http::Answer answer =
      SHOPLAKE_TRY(transport_.send(call_of(request, connection, kTokenTimeout, kAnswerBytesMax, std::move(stop))));
  if (answer.status < 200 || answer.status >= 300)
    return refused(connection, answer);
  const std::optional<Json> json = flow::parse_json(answer.body);
  std::string token = json ? text_member(*json, "access_token") : "";
  if (!is_token(token))
    return bad_answer(connection, "gives no access_token");
  const std::string type = http::lower_case(text_member(*json, "token_type"));
  if (!type.empty() && type != "bearer")
    return bad_answer(connection, fmt::format("gives a token of the type {}, not Bearer", type.substr(0, 50)));
  const std::int64_t lifetime = lifetime_seconds(*json) * 1'000'000;
  entry.used_until_micros = now + lifetime - std::min(kTokenMarginMicros, lifetime / 2);
  entry.token = token;
  return token;
}

void OAuthTokens::forget(const Connection& connection, const std::string& token) {
  Entry& entry = entry_of(connection);
  const std::scoped_lock lock(entry.mutex);
  if (entry.token == token)
    entry.token.clear();
}

}  // namespace shoplake::app
