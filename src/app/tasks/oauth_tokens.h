// Access tokens of connections that authorize by OAuth 2.0 client credentials: asked for when a request needs one, kept
// in memory until they are about to expire, asked for again once a server has refused them. Never written anywhere.
//
// Sources: RFC 6749 sections 2.3.1, 4.4 and 5; RFC 6750 section 2.1;
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-auth.html
//
// Thread safe. Who needs a token of a connection while another call asks for it waits for that one's answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "app/connection_settings.h"
#include "app/tasks/http_request.h"
#include "base/result.h"
#include "http/transport.h"
#include "io/env.h"

namespace shoplake::app {

// A token is not used any more so long before its end (EventBridge has the same), or in the second half of a shorter
// life.
inline constexpr std::int64_t kTokenMarginMicros = 60'000'000;
// Of a token whose answer names no expires_in.
inline constexpr std::int64_t kTokenLifetimeSeconds = 3'600;
inline constexpr std::int64_t kTokenLifetimeSecondsMax = 86'400;
inline constexpr std::size_t kTokenBytesMax = 16 * 1024;
inline constexpr std::chrono::seconds kTokenTimeout{30};

class OAuthTokens {
 public:
  // Both outlive it.
  OAuthTokens(http::Transport& transport, io::Env& clock) : transport_(transport), clock_(clock) {}

  // Errors: oauth.refused (usage): the endpoint does not give this client a token; oauth.bad_answer (environment): its
  // answer holds none; oauth.unavailable (environment): 429 or 5xx; those of Transport. Messages may hold what the
  // endpoint said, secrets included: they are the caller's to blank out.
  base::Result<std::string> token(const Connection& connection, std::stop_token stop);
  // A server has refused that token: the next call asks for another, unless somebody has already.
  void forget(const Connection& connection, const std::string& token);

 private:
  struct Entry {
    std::mutex mutex;
    std::string token;
    std::int64_t used_until_micros = 0;  // monotonic
  };
  Entry& entry_of(const Connection& connection);

  http::Transport& transport_;
  io::Env& clock_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;  // by the connection's name; bounded by the connections
};

// The request for a token, as a value. Its secrets are in headers and body; with GET in headers only.
HttpRequest token_request(const OAuthClient& client);

}  // namespace shoplake::app
