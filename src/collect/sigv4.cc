#include "collect/sigv4.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "aws/signature.h"
#include "base/digest.h"

namespace shoplake::collect {
namespace {

using aws::kAlgorithm;
using aws::kTerminator;
constexpr std::string_view kWrongSignature =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return parts;
    text.remove_prefix(end + 1);
  }
}

AwsError incomplete(std::string message) { return {400, "IncompleteSignatureException", std::move(message)}; }
AwsError invalid(std::string message) { return {400, "InvalidSignatureException", std::move(message)}; }

struct Authorization {
  std::string_view access_key_id, date, region, service, terminator;
  std::string_view signed_headers, signature;
};

std::optional<AwsError> parse(std::string_view header, Authorization& out) {
  std::string_view credential;
  std::string_view rest = header.substr(kAlgorithm.size());
  std::string missing;
  for (const std::string_view part : split(rest, ',')) {
    const std::string_view pair = trimmed(part);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return incomplete(fmt::format(
          "'{}' not a valid key=value pair (missing equal-sign) in Authorization header: '{}'.", pair, header));
    }
    const std::string_view name = pair.substr(0, equals), value = pair.substr(equals + 1);
    if (name == "Credential") {
      credential = value;
    } else if (name == "SignedHeaders") {
      out.signed_headers = value;
    } else if (name == "Signature") {
      out.signature = value;
    }
  }
  if (credential.empty())
    missing += "Authorization header requires 'Credential' parameter. ";
  if (out.signature.empty())
    missing += "Authorization header requires 'Signature' parameter. ";
  if (out.signed_headers.empty())
    missing += "Authorization header requires 'SignedHeaders' parameter. ";
  if (!missing.empty())
    return incomplete(fmt::format("{}Authorization={}", missing, header));
  const auto scope = split(credential, '/');
  if (scope.size() != 5) {
    return incomplete(
        fmt::format("Credential must have exactly 5 slash-delimited elements, e.g. "
                    "keyid/date/region/service/term, got '{}'",
                    credential));
  }
  out.access_key_id = scope[0];
  out.date = scope[1];
  out.region = scope[2];
  out.service = scope[3];
  out.terminator = scope[4];
  return std::nullopt;
}

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

SignatureVerifier::SignatureVerifier(std::vector<AccessKey> keys, std::string service)
    : keys_(std::move(keys)), service_(std::move(service)) {}

SignatureVerifier::Key SignatureVerifier::signing_key(const AccessKey& key, std::string_view date,
                                                      std::string_view region) const {
  const std::string name = fmt::format("{}/{}/{}", key.id, date, region);
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = cache_.find(name); found != cache_.end())
      return found->second;
  }
  const Key made = aws::signing_key(key.secret, {std::string(date), std::string(region), service_});
  const std::scoped_lock lock(mutex_);
  // Dates and regions come from requests, so the cache is bounded; a new day empties it sooner or later.
  if (cache_.size() >= kCachedKeysMax)
    cache_.clear();
  cache_[name] = made;
  return made;
}

std::optional<AwsError> SignatureVerifier::verify(const http::Request& request, std::int64_t now_micros) const {
  const auto header = request.header("authorization");
  if (!header || trimmed(*header).empty())
    return AwsError{400, "MissingAuthenticationTokenException", "Missing Authentication Token"};
  if (!header->starts_with(kAlgorithm)) {
    return incomplete(fmt::format("Unsupported AWS 'algorithm': '{}'. ", header->substr(0, header->find(' '))));
  }
  Authorization authorization;
  if (auto error = parse(*header, authorization))
    return error;

  const auto key = std::ranges::find(keys_, authorization.access_key_id, &AccessKey::id);
  if (key == keys_.end()) {
    return AwsError{400, "UnrecognizedClientException", "The security token included in the request is invalid."};
  }
  const auto stamp = request.header("x-amz-date");
  const auto signed_at = stamp ? aws::parse_timestamp(*stamp) : std::nullopt;
  if (!signed_at) {
    return incomplete(
        fmt::format("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
                    "Authorization={}",
                    *header));
  }
  if (authorization.service != service_)
    return invalid(fmt::format("Credential should be scoped to correct service: '{}'. ", service_));
  if (authorization.terminator != kTerminator) {
    return invalid(fmt::format("Credential should be scoped with a valid terminator: '{}', not '{}'. ", kTerminator,
                               authorization.terminator));
  }
  if (stamp->substr(0, 8) != authorization.date) {
    return invalid(
        fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                    "HTTP: '{}' != '{}', from '{}'.",
                    authorization.date, stamp->substr(0, 8), *stamp));
  }
  const std::int64_t now = now_micros / 1'000'000;
  if (*signed_at < now - kSkewSecondsMax) {
    return invalid(fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)", *stamp,
                               aws::timestamp(now - kSkewSecondsMax), aws::timestamp(now)));
  }
  if (*signed_at > now + kSkewSecondsMax) {
    return invalid(fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)", *stamp,
                               aws::timestamp(now + kSkewSecondsMax), aws::timestamp(now)));
  }

  // What is not signed could have been changed on the way: at least the host, and what decides the operation.
  const auto names = split(authorization.signed_headers, ';');
  const auto is_signed = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  if (!is_signed("host"))
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  if (request.header("x-amz-target") && !is_signed("x-amz-target"))
    return invalid("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.");

  const std::string body_hash = base::sha256_hex(request.body);
  // The hash that the signer gives is what the signature covers; it must be the body's.
  if (const auto given = request.header("x-amz-content-sha256"); given && *given != body_hash)
    return invalid(std::string(kWrongSignature));

  aws::CanonicalRequest canonical;
  canonical.method = request.method;
  // The path is encoded once more than it was sent, as for every service but S3.
  const std::string path = request.path.empty() ? "/" : aws::uri_encode(request.path, true);
  const std::string query = aws::canonical_query(request.parameters());
  canonical.path = path;
  canonical.query = query;
  for (const std::string_view name : names) {
    std::string values;
    bool first = true;
    for (const auto& [other, value] : request.headers) {
      if (other != name)
        continue;
      values.append(first ? "" : ",").append(aws::canonical_value(value));
      first = false;
    }
    canonical.headers.emplace_back(name, std::move(values));
  }
  canonical.payload_sha256 = body_hash;
  const std::string expected =
      aws::signature(canonical, signing_key(*key, authorization.date, authorization.region), *stamp,
                     {std::string(authorization.date), std::string(authorization.region), service_});
  if (!equal_in_constant_time(expected, authorization.signature))
    return invalid(std::string(kWrongSignature));
  return std::nullopt;
}

}  // namespace shoplake::collect
