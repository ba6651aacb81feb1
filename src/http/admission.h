// Admission: what is decided about a request before its body is read: is it for this server, is there a route that
// takes it, may a page of another site send it, is it small enough. Answers preflights (CORS). Internal to http; knows
// no sockets. Thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "http/exchange.h"
#include "http/router.h"
#include "http/server.h"

namespace shoplake::http {

class Admission {
 public:
  // All of them outlive it.
  Admission(const ServerOptions& options, const Router& router, base::Metrics& metrics)
      : options_(options), router_(router), metrics_(metrics) {}

  // Before the first request: whether others than this machine can reach the server.
  void set_on_loopback(bool on_loopback) { on_loopback_ = on_loopback; }

  // Finds exchange.route. False: exchange.response is the answer already.
  bool admit(Exchange& exchange, std::optional<std::uint64_t> content_length) const;

 private:
  bool answers_to(const std::string& host) const;
  void answer_options(Exchange& exchange) const;

  const ServerOptions& options_;
  const Router& router_;
  base::Metrics& metrics_;
  bool on_loopback_ = true;
};

// The server's own refusal of a request, as its route (if it has one) words it.
Response refusal(const Route* route, int status, std::string_view code, std::string_view message,
                 std::string_view advice);

}  // namespace shoplake::http
