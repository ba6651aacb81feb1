#include "app/tasks/http_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/tasks/outcome.h"
#include "aws/signature.h"
#include "base/base64.h"
#include "http/address.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

constexpr std::size_t kUrlBytesMax = 8 * 1024;
constexpr std::array<std::string_view, 7> kMethods{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"};
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

// What Step Functions refuses in Headers: it is the connection's, the protocol's or its own to say.
constexpr std::array<std::string_view, 33> kForbiddenHeaders{"a-im",
                                                             "accept-charset",
                                                             "accept-datetime",
                                                             "accept-encoding",
                                                             "authorization",
                                                             "cache-control",
                                                             "connection",
                                                             "content-encoding",
                                                             "content-length",
                                                             "content-md5",
                                                             "date",
                                                             "expect",
                                                             "forwarded",
                                                             "from",
                                                             "host",
                                                             "http2-settings",
                                                             "if-match",
                                                             "if-modified-since",
                                                             "if-none-match",
                                                             "if-range",
                                                             "max-forwards",
                                                             "origin",
                                                             "pragma",
                                                             "proxy-authorization",
                                                             "referer",
                                                             "server",
                                                             "te",
                                                             "trailer",
                                                             "transfer-encoding",
                                                             "upgrade",
                                                             "via",
                                                             "warning",
                                                             "if-unmodified-since"};

base::Error wrong(std::string what, std::string advice = "docs/flows.md lists the parameters of each task.") {
  return base::make_error(base::ErrorKind::usage, "task.parameters", std::move(what), std::move(advice));
}

const Json* member(const Json& object, const char* name) {
  if (!object.is_object())
    return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// A number, a text or a truth value as it stands in an address or a form.
std::optional<std::string> scalar(const Json& value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_null())
    return "";
  if (value.is_structured())
    return std::nullopt;
  return flow::compact(value);
}

struct Endpoint {
  std::string url;  // without fragment
  std::string host;
};

Result<Endpoint> endpoint_of(const Json& parameters) {
  const std::string url = SHOPLAKE_TRY(needed_parameter(parameters, "ApiEndpoint"));
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0)
    return wrong(fmt::format("ApiEndpoint is no https:// address: {}", url.substr(0, 100)));
  if (url.size() > kUrlBytesMax || !std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7F; }))
    return wrong("ApiEndpoint is too long, or has characters that are not percent-encoded");
  const std::string authority = url.substr(scheme, url.find_first_of("/?#\\", scheme) - scheme);
  const std::string host = http::host_name(authority);
  if (host.empty() || authority.find('@') != std::string::npos || url.find_first_of("#\\") != std::string::npos)
    return wrong("ApiEndpoint is no plain address of a host and a path", "A connection holds user and password.");
  if (scheme == 7 && !http::is_loopback_name(host))
    return wrong(fmt::format("ApiEndpoint: {} is not called without TLS", host), "Write https://…");
  return Endpoint{url, host};
}

Result<http::Headers> headers_of(const Json& parameters) {
  http::Headers headers;
  const Json* given = member(parameters, "Headers");
  if (given == nullptr)
    return headers;
  if (!given->is_object())
    return wrong("Headers is no object");
  for (const auto& [name, value] : given->items()) {
    const std::string lower = http::lower_case(name);
    if (!is_header_name(name))
      return wrong(fmt::format("Headers: \"{}\" is no name of a header", name));
    if (std::ranges::find(kForbiddenHeaders, lower) != kForbiddenHeaders.end() || lower.starts_with("x-forwarded") ||
        lower.starts_with("x-amz-") || lower.starts_with("x-amzn-"))
      return wrong(fmt::format("Headers: {} may not be set", name),
                   lower == "authorization" ? "A connection authorizes: `connections` in shoplake.yml." : "");
    std::string text;
    for (const Json& each : value.is_array() ? value : Json::array({value})) {
      const auto word = scalar(each);
      if (!word || !is_header_value(*word))
        return wrong(fmt::format("Headers: the value of {} is no text of one line", name));
      text += (text.empty() ? "" : ",") + *word;
    }
    headers.emplace_back(name, std::move(text));
  }
  return headers;
}

Result<std::vector<std::pair<std::string, std::string>>> query_of(const Json& parameters) {
  std::vector<std::pair<std::string, std::string>> query;
  const Json* given = member(parameters, "QueryParameters");
  if (given == nullptr)
    return query;
  if (!given->is_object())
    return wrong("QueryParameters is no object");
  for (const auto& [name, value] : given->items()) {
    for (const Json& each : value.is_array() ? value : Json::array({value})) {
      auto word = scalar(each);
      if (!word)
        return wrong(fmt::format("QueryParameters: the value of {} is neither a text nor a list of texts", name));
      query.emplace_back(name, std::move(*word));
    }
  }
  return query;
}

struct Encoding {
  bool is_form = false;
  ArrayFormat array_format = ArrayFormat::indices;
};

Result<Encoding> encoding_of(const Json& parameters) {
  Encoding encoding;
  const Json* transform = member(parameters, "Transform");
  if (transform == nullptr)
    return encoding;
  const std::string body = SHOPLAKE_TRY(text_parameter(*transform, "RequestBodyEncoding")).value_or("NONE");
  if (body != "NONE" && body != "URL_ENCODED")
    return wrong(fmt::format("RequestBodyEncoding is \"{}\"", body), "It is NONE or URL_ENCODED.");
  encoding.is_form = body == "URL_ENCODED";
  const Json* options = member(*transform, "RequestEncodingOptions");
  const std::string format =
      options == nullptr ? "INDICES" : SHOPLAKE_TRY(text_parameter(*options, "ArrayFormat")).value_or("INDICES");
  constexpr std::pair<std::string_view, ArrayFormat> kFormats[] = {{"INDICES", ArrayFormat::indices},
                                                                   {"REPEAT", ArrayFormat::repeat},
                                                                   {"COMMAS", ArrayFormat::commas},
                                                                   {"BRACKETS", ArrayFormat::brackets}};
  const auto found = std::ranges::find(kFormats, format, [](const auto& each) { return each.first; });
  if (found == std::end(kFormats))
    return wrong(fmt::format("ArrayFormat is \"{}\"", format), "It is INDICES, REPEAT, COMMAS or BRACKETS.");
  encoding.array_format = found->second;
  return encoding;
}

void set_header(http::Headers& headers, const std::string& name, const std::string& value) {
  const std::string lower = http::lower_case(name);
  std::erase_if(headers, [&](const auto& each) { return http::lower_case(each.first) == lower; });
  headers.emplace_back(name, value);
}

std::string* find_header(http::Headers& headers, std::string_view lower) {
  const auto found = std::ranges::find(headers, lower, [](const auto& each) { return http::lower_case(each.first); });
  return found == headers.end() ? nullptr : &found->second;
}

void add_connection(const Connection& connection, http::Headers& headers, NamedValues& query) {
  for (const auto& [name, value] : connection.headers)
    set_header(headers, name, value);
  for (const auto& [name, value] : connection.query) {
    std::erase_if(query, [&](const auto& each) { return each.first == name; });
    query.emplace_back(name, value);
  }
  if (connection.authorization == Connection::Authorization::basic)
    set_header(headers, "Authorization", "Basic " + base::base64_encode(connection.user + ":" + connection.password));
  if (connection.authorization == Connection::Authorization::api_key)
    set_header(headers, connection.key_header, connection.key_value);
}

Result<std::string> body_of(const Json& parameters, const Encoding& encoding, http::Headers& headers) {
  const Json* given = member(parameters, "RequestBody");
  if (given == nullptr)
    return std::string();
  std::string* type = find_header(headers, "content-type");
  std::string body;
  if (encoding.is_form) {
    if (!given->is_object())
      return wrong("RequestBody is no object, which URL_ENCODED is for");
    if (type != nullptr && !http::lower_case(*type).starts_with(kFormType))
      return wrong(fmt::format("Content-Type is {}, but the body is URL_ENCODED", *type),
                   fmt::format("Set it to {}.", kFormType));
    body = form_encoded(*given, encoding.array_format);
  } else {
    body = given->is_string() ? given->get<std::string>() : flow::compact(*given);
  }
  if (body.size() > kHttpBodyBytesMax)
    return wrong(fmt::format("RequestBody has {} bytes, more than {}", body.size(), kHttpBodyBytesMax));
  if (type == nullptr)
    headers.emplace_back("Content-Type",
                         encoding.is_form ? std::string(kFormType) : std::string("application/json; charset=UTF-8"));
  return body;
}

void append_form(std::string& out, const std::string& key, const Json& value, ArrayFormat format) {
  const auto pair = [&](const std::string& name, const std::string& text) {
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, aws::uri_encode(text));
  };
  if (value.is_object()) {
    for (const auto& [name, each] : value.items())
      append_form(out, fmt::format("{}[{}]", key, aws::uri_encode(name)), each, format);
    return;
  }
  if (!value.is_array()) {
    pair(key, scalar(value).value_or(""));
    return;
  }
  if (format == ArrayFormat::commas) {
    std::string joined;
    for (const Json& each : value)
      joined += (joined.empty() ? "" : ",") + aws::uri_encode(scalar(each).value_or(flow::compact(each)));
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", key, joined);
    return;
  }
  std::size_t index = 0;
  for (const Json& each : value) {
    append_form(out,
                format == ArrayFormat::indices    ? fmt::format("{}[{}]", key, index)
                : format == ArrayFormat::brackets ? key + "[]"
                                                  : key,
                each, format);
    ++index;
  }
}

}  // namespace

Result<std::string> connection_name(const Json& parameters) {
  const Json* authentication = member(parameters, "Authentication");
  // InvocationConfig is how Step Functions also writes it.
  if (authentication == nullptr)
    authentication = member(parameters, "InvocationConfig");
  const Json nothing = Json::object();
  std::string name =
      SHOPLAKE_TRY(needed_parameter(authentication == nullptr ? nothing : *authentication, "ConnectionArn"));
  constexpr std::string_view kConnection = ":connection/";
  if (const auto at = name.find(kConnection); at != std::string::npos)
    name.erase(0, at + kConnection.size());
  return name.substr(0, name.find('/'));
}

Result<HttpRequest> http_request_of(const Json& parameters, const Connection& connection) {
  HttpRequest request;
  const Endpoint endpoint = SHOPLAKE_TRY(endpoint_of(parameters));
  if (!connection.hosts.empty() && std::ranges::find(connection.hosts, endpoint.host) == connection.hosts.end())
    return base::make_error(base::ErrorKind::usage, "http.host_not_allowed",
                            fmt::format("The connection {} is not for {}", connection.name, endpoint.host),
                            "Add the host to `hosts` of the connection in shoplake.yml.");
  request.method = SHOPLAKE_TRY(needed_parameter(parameters, "Method"));
  if (std::ranges::find(kMethods, request.method) == kMethods.end())
    return wrong(fmt::format("Method is \"{}\"", request.method),
                 "It is GET, POST, PUT, DELETE, PATCH, OPTIONS or HEAD.");
  request.headers = SHOPLAKE_TRY(headers_of(parameters));
  auto query = SHOPLAKE_TRY(query_of(parameters));
  add_connection(connection, request.headers, query);
  request.body = SHOPLAKE_TRY(body_of(parameters, SHOPLAKE_TRY(encoding_of(parameters)), request.headers));
  set_header(request.headers, "User-Agent", "shoplake");
  // As Step Functions does: one byte more than may come shows that there is more.
  set_header(request.headers, "Range", fmt::format("bytes=0-{}", kHttpBodyBytesMax));
  request.url = endpoint.url;
  for (const auto& [name, value] : query)
    request.url += fmt::format("{}{}={}", request.url.find('?') == std::string::npos ? '?' : '&', aws::uri_encode(name),
                               aws::uri_encode(value));
  return request;
}

http::Call call_of(const HttpRequest& request, const Connection& connection, std::chrono::seconds timeout,
                   std::size_t answer_bytes_max, std::stop_token stop) {
  return {.method = request.method,
          .url = request.url,
          .headers = request.headers,
          .body = request.body,
          .connect_timeout = std::chrono::seconds(10),
          .stall_timeout = timeout,
          .total_timeout = timeout,
          .body_bytes_max = answer_bytes_max,
          .is_direct = request.url.starts_with("http://"),
          .stop = std::move(stop),
          .ca_file = connection.certificate_authorities};
}

void set_bearer(HttpRequest& request, const std::string& token) {
  set_header(request.headers, "Authorization", "Bearer " + token);
}

std::string form_encoded(const Json& object, ArrayFormat format) {
  std::string out;
  for (const auto& [name, value] : object.items())
    append_form(out, aws::uri_encode(name), value, format);
  return out;
}

}  // namespace shoplake::app
