// What an HTTP task of a flow asks for, as a value: the request that its parameters and its connection make. Pure
// functions. Source: https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/connection_settings.h"
#include "base/result.h"
#include "flow/json.h"
#include "http/message.h"
#include "http/transport.h"

namespace shoplake::app {

inline constexpr std::size_t kHttpBodyBytesMax = 256 * 1024;  // of a request, and of an answer

struct HttpRequest {
  std::string method;
  std::string url;  // whole and percent-encoded
  http::Headers headers;
  std::string body;
};

// The connection that Authentication.ConnectionArn names: "arn:aws:events:eu-central-1:1:connection/crm/8121…" and
// "crm" are crm. Error task.parameters (usage): it is missing.
base::Result<std::string> connection_name(const flow::Json& parameters);

// Where the definition and the connection name the same header or parameter, the connection's counts. Errors
// task.parameters (usage): what of the parameters cannot be sent; http.host_not_allowed (usage): the connection is not
// for that host.
base::Result<HttpRequest> http_request_of(const flow::Json& parameters, const Connection& connection);
// What is sent for a request over a connection; `request` must live until send() returns. An answer is waited for so
// long in all, and takes so many bytes.
http::Call call_of(const HttpRequest& request, const Connection& connection, std::chrono::seconds timeout,
                   std::size_t answer_bytes_max, std::stop_token stop);

// Authorizes by a token, in the place of the one before (RFC 6750 section 2.1).
void set_bearer(HttpRequest& request, const std::string& token);

enum class ArrayFormat { indices, repeat, commas, brackets };
// application/x-www-form-urlencoded of an object: {"a": [1, 2], "b": {"c": "x y"}} as a[0]=1&a[1]=2&b[c]=x%20y.
std::string form_encoded(const flow::Json& object, ArrayFormat format);

}  // namespace shoplake::app
