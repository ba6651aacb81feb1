// Requests and responses as plain values: what handlers see of HTTP. Source: RFC 9110, RFC 9112.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace shoplake::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string
      method;  // "GET"; HEAD arrives as GET (but see Route::methods), and the server leaves the body out of the answer
  std::string path;   // still percent-encoded, without the query: "/v1/namespaces/a%1Fb"
  std::string query;  // still percent-encoded, without the '?'
  Headers headers;    // names in lower case, in order of arrival
  std::string body;
  std::string peer;            // address of the client, without its port
  std::uint64_t sequence = 0;  // unique in the process; the X-Request-Id of the answer

  // The first header of that (lower-case) name.
  std::optional<std::string_view> header(std::string_view name) const;
  // The first query parameter of that name, decoded; no value if it is absent.
  std::optional<std::string> parameter(std::string_view name) const;
  // All query parameters, decoded, in order.
  std::vector<std::pair<std::string, std::string>> parameters() const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  // without Content-Length, Connection, Date, which are the server's
  std::string body;
  // Instead of `body`: bytes that many answers share.
  std::shared_ptr<const std::string> shared_body;
  // Instead of both: a body of unknown length. Called until it gives no value, on a worker thread, one call at a time;
  // an error breaks the connection, so that the client sees that the answer is incomplete.
  std::function<base::Result<std::optional<std::string>>()> stream;

  std::string_view bytes() const { return shared_body ? std::string_view(*shared_body) : std::string_view(body); }
  Response& set(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

using Handler = std::function<Response(const Request&)>;

Response json_response(std::string body, int status = 200);
Response text_response(std::string body, int status = 200);
// {"error": {"code", "message", "advice"}} with the status that fits the error's kind.
Response error_response(const base::Error& error);
Response error_response(int status, std::string_view code, std::string_view message, std::string_view advice = {});
int status_of(base::ErrorKind kind);

// Percent-decoding; a malformed escape stays as it is. `plus_is_space` for query strings.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

// Whether the client takes gzip (Accept-Encoding with q > 0).
bool accepts_gzip(const Request& request);
// Gzip of `bytes`, deterministic.
std::string gzip(std::string_view bytes, int level);
// True if If-None-Match names this (strong) entity tag, quotes included.
bool matches_etag(const Request& request, std::string_view etag);

std::string_view reason_phrase(int status);

}  // namespace shoplake::http
