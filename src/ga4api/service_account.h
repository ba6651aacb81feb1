// A Google service account: its key file, and the signed assertions by which it asks for access tokens. Sources:
// https://developers.google.com/identity/protocols/oauth2/service-account (the key file, the claims),
// RFC 7515 and RFC 7523 (JWS, JWT as an authorization grant).
//
// Error ga4.credentials (kind usage): what is wrong with which file. No error, log or message holds anything of the
// key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::ga4api {

using base::Result;

struct ServiceAccount {
  std::string client_email;
  std::string private_key;  // PEM (PKCS #8), RSA
  std::string private_key_id;
  std::string token_uri;
};

// Reads the JSON key file that Google Cloud gives out ("type": "service_account").
Result<ServiceAccount> read_service_account(io::Env& env, const std::string& path);
Result<ServiceAccount> parse_service_account(std::string_view json, const std::string& path);

inline constexpr std::int64_t kAssertionSeconds = 3600;  // the longest that Google allows

// A JWT of the account for its token endpoint, RS256, valid from `now_seconds` for kAssertionSeconds.
Result<std::string> signed_assertion(const ServiceAccount& account, std::string_view scope, std::int64_t now_seconds);

// Whether secrets may be sent there: https, or http to this machine alone. Error ga4.insecure_url (kind usage).
Result<void> check_url(const std::string& url);

}  // namespace shoplake::ga4api
