#include "ga4api/token_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace shoplake::ga4api {
namespace {

using base::ErrorKind;
using base::make_error;
using Json = nlohmann::json;

constexpr std::chrono::seconds kTokenTimeout{30};
constexpr std::uint64_t kTokenBytesMax = 64 * 1024;
constexpr std::int64_t kLifetimeSecondsMax = 86'400;

std::string member(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<void> check_token(const http::Answer& answer) {
  const Json json = Json::parse(answer.body, nullptr, false);
  const std::string token = member(json, "access_token");
  // It becomes part of a header.
  if (token.empty() || !std::ranges::all_of(token, [](unsigned char c) { return c > ' ' && c < 0x7f; }))
    return make_error(ErrorKind::environment, "ga4.invalid_answer", "The token endpoint's answer holds no access token",
                      "Check the key's token_uri; try again later.");
  return {};
}

base::Error refused(const http::Answer& answer, const ServiceAccount& account) {
  const Json json = Json::parse(answer.body, nullptr, false);
  const std::string error = member(json, "error");
  const std::string description = member(json, "error_description");
  if (answer.status >= 500 || answer.status == 429) {
    return make_error(ErrorKind::environment, "ga4.unavailable",
                      fmt::format("{} answers {}", account.token_uri, answer.status), "Try again later.");
  }
  return make_error(ErrorKind::usage, "ga4.token_refused",
                    fmt::format("{} gives {} no access token: {} {}{}{}", account.token_uri, account.client_email,
                                answer.status, error, description.empty() ? "" : ": ", description),
                    "Check that the key still exists and that this machine's clock is right.");
}

}  // namespace

Result<std::string> TokenSource::token(Exchange& exchange) {
  const std::int64_t now = env_.now_micros();
  if (!token_.empty() && now < expires_at_micros_ - kTokenMarginMicros)
    return token_;
  token_.clear();
  const std::string assertion = SHOPLAKE_TRY(signed_assertion(account_, kReadOnlyScope, now / 1'000'000));
  const std::string body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion;
  http::Call call;
  call.method = "POST";
  call.url = account_.token_uri;
  call.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  call.body = body;
  call.total_timeout = kTokenTimeout;
  call.body_bytes_max = kTokenBytesMax;
  call.ca_file = ca_file_;
  const http::Answer answer = SHOPLAKE_TRY(exchange.send(call, &check_token).within("access token"));
  if (answer.status != 200)
    return refused(answer, account_);
  const Json json = Json::parse(answer.body, nullptr, false);
  token_ = member(json, "access_token");
  const auto lifetime = json.find("expires_in");
  const std::int64_t seconds = lifetime != json.end() && lifetime->is_number_integer()
                                   ? std::clamp<std::int64_t>(lifetime->get<std::int64_t>(), 0, kLifetimeSecondsMax)
                                   : kAssertionSeconds;
  expires_at_micros_ = now + seconds * 1'000'000;
  return token_;
}

}  // namespace shoplake::ga4api
