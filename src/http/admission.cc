#include "http/admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/address.h"

namespace shoplake::http {
namespace {

constexpr std::size_t kTargetBytesMax = 8 * 1024;
constexpr auto kPreflightSeconds = "7200";

std::string_view authority_of_origin(std::string_view origin) {
  const auto scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool comes_from_another_site(const Request& request) {
  if (const auto site = request.header("sec-fetch-site"); site && (*site == "cross-site" || *site == "same-site"))
    return true;
  const auto origin = request.header("origin");
  if (!origin)
    return false;
  const auto host = request.header("host");
  return !host || lower_case(authority_of_origin(*origin)) != lower_case(*host);
}

}  // namespace

Response refusal(const Route* route, int status, std::string_view code, std::string_view message,
                 std::string_view advice) {
  if (route != nullptr && route->refusal)
    return route->refusal(status, code, message);
  return error_response(status, code, message, advice);
}

bool Admission::admit(Exchange& exchange, std::optional<std::uint64_t> content_length) const {
  const Request& request = exchange.request;
  const auto refuse_with = [&](const char* reason, int status, std::string_view code, const std::string& message,
                               std::string_view advice) {
    exchange.response = refusal(exchange.route, status, code, message, advice);
    metrics_.add("shoplake_http_refused_total", {{"reason", reason}});
    return false;
  };
  if (exchange.version == 11) {
    const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                     [](const auto& header) { return header.first == "host"; });
    if (hosts != 1) {
      return refuse_with("malformed", 400, "serve.malformed_request", "the request needs exactly one Host field",
                         "check the client");
    }
  }
  if (request.path.size() + request.query.size() > kTargetBytesMax) {
    return refuse_with("target_size", 414, "serve.target_too_long",
                       fmt::format("the address is longer than {} bytes", kTargetBytesMax),
                       "send the parameters in the body where the address takes one");
  }
  if (!request.path.starts_with('/') && request.path != "*") {
    return refuse_with("malformed", 400, "serve.malformed_request", "the address does not begin with '/'",
                       "check the client");
  }
  if (const auto host = request.header("host"); host && !answers_to(host_name(*host))) {
    return refuse_with("foreign_host", 421, "serve.foreign_host",
                       fmt::format("this server does not answer to the host name '{}'", host_name(*host)),
                       "use the address that `shoplake serve` printed, or start it with --host-name");
  }
  const auto preflight = request.method == "OPTIONS" && request.header("origin")
                             ? request.header("access-control-request-method")
                             : std::nullopt;
  exchange.route = router_.find(request.path, preflight ? *preflight : std::string_view(request.method));
  if (exchange.head_only && exchange.route != nullptr && exchange.route->methods.empty())
    exchange.request.method = "HEAD";
  if (exchange.route == nullptr) {
    exchange.response =
        error_response(404, "serve.no_such_address", fmt::format("there is nothing at {}", request.path),
                       "docs/http_api.md lists the addresses");
    return false;
  }
  const Route& route = *exchange.route;
  if (route.cross_origin) {
    if (const auto origin = request.header("origin"))
      exchange.origin = *origin;
    if (request.method == "OPTIONS") {
      answer_options(exchange);
      return false;
    }
  }
  if (!Router::takes(route, request.method)) {
    const std::string allowed = router_.allowed_methods(route);
    exchange.response =
        refusal(&route, 405, "serve.method_not_allowed",
                fmt::format("{} does not take {}", request.path, exchange.original_method), "it takes " + allowed);
    exchange.response.set("Allow", allowed);
    return false;
  }
  if (!route.cross_origin && request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS" &&
      comes_from_another_site(request)) {
    return refuse_with("cross_origin", 403, "serve.cross_origin", "the request comes from a page of another site",
                       "send it from the dashboard or from a program");
  }
  if (const auto expect = request.header("expect"); expect && lower_case(*expect) != "100-continue") {
    return refuse_with("malformed", 417, "serve.expectation", "only `Expect: 100-continue` can be met",
                       "leave the field out");
  }
  if (content_length && *content_length > route.body_bytes_max) {
    return refuse_with("body_size", 413, "serve.body_too_large",
                       fmt::format("the request's body has {} bytes, and {} takes at most {}", *content_length,
                                   request.path, route.body_bytes_max),
                       "send smaller pieces");
  }
  return true;
}

bool Admission::answers_to(const std::string& host) const {
  if (is_loopback_name(host))
    return true;
  if (!options_.host_names.empty()) {
    return std::any_of(options_.host_names.begin(), options_.host_names.end(),
                       [&](const auto& name) { return lower_case(name) == host; });
  }
  return !on_loopback_;
}

// A preflight of a browser (https://fetch.spec.whatwg.org/#http-cors-protocol), or anybody's question.
void Admission::answer_options(Exchange& exchange) const {
  Response& response = exchange.response;
  response = Response();
  response.status = 204;
  const std::string methods = router_.allowed_methods(*exchange.route);
  response.set("Allow", methods);
  if (!exchange.request.header("access-control-request-method"))
    return;
  response.set("Access-Control-Allow-Methods", methods);
  if (const auto headers = exchange.request.header("access-control-request-headers"))
    response.set("Access-Control-Allow-Headers", std::string(*headers));
  if (exchange.request.header("access-control-request-private-network"))
    response.set("Access-Control-Allow-Private-Network", "true");
  response.set("Access-Control-Max-Age", kPreflightSeconds);
}

}  // namespace shoplake::http
