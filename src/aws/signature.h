// AWS Signature Version 4: the canonical form of a request and its signature, for those who sign (s3) and those who
// check (collect). Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoplake::aws {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kTerminator = "aws4_request";

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Every byte but A-Z a-z 0-9 - _ . ~ as %XX.
std::string uri_encode(std::string_view text, bool keeps_slash = false);

// Query parameters, given decoded, in the order and spelling that are signed; it may be sent so, too.
std::string canonical_query(const Pairs& parameters);

// A header's value without spaces at both ends, and with one where there are several.
std::string canonical_value(std::string_view value);

// "20261121T051500Z", of seconds since 1970, and back; nothing if it is not of this form.
std::string timestamp(std::int64_t seconds);
std::optional<std::int64_t> parse_timestamp(std::string_view stamp);

struct Scope {
  std::string date;  // "20261121"
  std::string region;
  std::string service;
};
std::string to_string(const Scope& scope);  // "20261121/eu-central-1/s3/aws4_request"

// 32 bytes that depend on the day only.
std::string signing_key(std::string_view secret, const Scope& scope);

struct CanonicalRequest {
  std::string_view method;
  std::string_view path;   // encoded as the service wants it: once for S3, twice for all others
  std::string_view query;  // canonical_query()
  Pairs headers;  // those that are signed: names in lower case, in the order of signed_headers, canonical values
  std::string_view payload_sha256;
};

// "host;x-amz-date"
std::string signed_headers(const CanonicalRequest& request);

// The signature in lower-case hex. `stamp` is the request's time, as timestamp() spells it.
std::string signature(const CanonicalRequest& request, std::string_view key, std::string_view stamp,
                      const Scope& scope);

// The Authorization header that goes with it.
std::string authorization(const CanonicalRequest& request, std::string_view access_key_id, std::string_view key,
                          std::string_view stamp, const Scope& scope);

}  // namespace shoplake::aws
