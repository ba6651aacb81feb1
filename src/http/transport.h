// Transport: HTTP exchanges with servers anywhere: object stores, metadata endpoints. https with the machine's
// certificates, connections kept and used again, proxies as the environment says. (`Client` is the small one for
// shoplake's own tools and a server nearby.) Redirects are answers like others: a signed request cannot follow one.
//
// An interface, so that tests answer themselves and break what they like. Thread safe: calls run at the same time, each
// on a connection of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace shoplake::http {

struct Call {
  std::string method = "GET";
  std::string url;  // whole and percent-encoded: "https://bucket.s3.eu-central-1.amazonaws.com/key?list-type=2"
  Headers headers = {};
  std::string_view body = {};  // must live until send() returns
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::seconds stall_timeout{20};      // without a byte in either direction
  std::chrono::milliseconds total_timeout{0};  // of the whole exchange; 0: none
  std::uint64_t body_bytes_max = 64ULL << 20;  // of the answer
  bool is_direct = false;                      // past any proxy, for link-local addresses
  std::stop_token stop = {};                   // ends it within about a second
  std::string ca_file = {};                    // PEM; the only authorities trusted. Empty: the machine's
};

struct Answer {
  int status = 0;
  Headers headers;  // names in lower case
  std::string body;

  // The first header of that (lower-case) name; empty if there is none.
  std::string_view header(std::string_view name) const;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Any status is an answer. Errors, all of kind environment: http.cannot_connect (nothing was sent), http.timeout,
  // http.broken and http.truncated (the server may have done what was asked), http.untrusted (its certificate),
  // http.too_large; and of kind cancelled, http.stopped.
  virtual base::Result<Answer> send(const Call& call) = 0;
};

// By libcurl. Keeps at most `idle_connections_max` threads' worth of connections.
std::unique_ptr<Transport> make_transport(std::size_t idle_connections_max = 32);

}  // namespace shoplake::http
