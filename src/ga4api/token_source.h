// TokenSource: access tokens of a service account, each asked for once and kept in memory until shortly before it
// expires. Tokens are never written anywhere.
//
// Belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "ga4api/exchange.h"
#include "ga4api/service_account.h"
#include "io/env.h"

namespace shoplake::ga4api {

inline constexpr char kReadOnlyScope[] = "https://www.googleapis.com/auth/analytics.readonly";
// A token is not used any more so long before its end: clocks differ, and a request takes its time.
inline constexpr std::int64_t kTokenMarginMicros = 60'000'000;

class TokenSource {
 public:
  TokenSource(ServiceAccount account, io::Env& env, std::string ca_file = {})
      : account_(std::move(account)), env_(env), ca_file_(std::move(ca_file)) {}

  // Errors: ga4.token_refused (usage): the endpoint does not accept the account; ga4.unavailable and those of Exchange.
  Result<std::string> token(Exchange& exchange);
  // The server does not accept the token any more: the next call asks for another.
  void invalidate() { token_.clear(); }

  const std::string& client_email() const { return account_.client_email; }

 private:
  ServiceAccount account_;
  io::Env& env_;
  std::string ca_file_;
  std::string token_;
  std::int64_t expires_at_micros_ = 0;
};

}  // namespace shoplake::ga4api
