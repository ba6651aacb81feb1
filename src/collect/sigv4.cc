#include "collect/sigv4.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/digest.h"
#include "base/result.h"

namespace shoplake::collect {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::string_view kWrongSignature =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.";

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  SHOPLAKE_CHECK(done != nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

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

// Without spaces at both ends, and with one where there are several.
void append_header_value(std::string& out, std::string_view value) {
  bool space = false;
  for (const char c : trimmed(value)) {
    if (c == ' ' && space)
      continue;
    space = c == ' ';
    out.push_back(c);
  }
}

void append_encoded(std::string& out, std::string_view text, bool keep_slash) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && keep_slash)) {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
    }
  }
}

// The path is encoded once more than it was sent, as for every service but S3.
std::string canonical_uri(std::string_view path) {
  std::string out;
  append_encoded(out, path, true);
  return out.empty() ? "/" : out;
}

std::string canonical_query(const http::Request& request) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : request.parameters()) {
    auto& part = encoded.emplace_back();
    append_encoded(part.first, name, false);
    append_encoded(part.second, value, false);
  }
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded)
    out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  return out;
}

// "20261121T051500Z" as seconds since 1970; nothing if it is not of this form.
std::optional<std::int64_t> seconds_of(std::string_view stamp) {
  if (stamp.size() != 16 || stamp[8] != 'T' || stamp[15] != 'Z')
    return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : stamp.substr(at, size)) {
      if (c < '0' || c > '9')
        return -1;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(4, 2) - 1;
  parts.tm_mday = number(6, 2);
  parts.tm_hour = number(9, 2);
  parts.tm_min = number(11, 2);
  parts.tm_sec = number(13, 2);
  if (parts.tm_year < 70 || parts.tm_mon < 0 || parts.tm_mon > 11 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
      parts.tm_hour < 0 || parts.tm_hour > 23 || parts.tm_min < 0 || parts.tm_min > 59 || parts.tm_sec < 0 ||
      parts.tm_sec > 60) {
    return std::nullopt;
  }
  return timegm(&parts);
}

std::string stamp_of(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
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
  const std::string of_date = hmac("AWS4" + key.secret, date);
  const Key made = hmac(hmac(hmac(of_date, region), service_), kTerminator);
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
  const auto signed_at = stamp ? seconds_of(*stamp) : std::nullopt;
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
                               stamp_of(now - kSkewSecondsMax), stamp_of(now)));
  }
  if (*signed_at > now + kSkewSecondsMax) {
    return invalid(fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)", *stamp,
                               stamp_of(now + kSkewSecondsMax), stamp_of(now)));
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

  std::string canonical = fmt::format("{}\n{}\n{}\n", request.method, canonical_uri(request.path),
                                      request.query.empty() ? std::string() : canonical_query(request));
  for (const std::string_view name : names) {
    canonical.append(name).append(":");
    bool first = true;
    for (const auto& [other, value] : request.headers) {
      if (other != name)
        continue;
      canonical += first ? "" : ",";
      append_header_value(canonical, value);
      first = false;
    }
    canonical += "\n";
  }
  canonical.append("\n").append(authorization.signed_headers).append("\n").append(body_hash);

  const std::string to_sign = fmt::format("{}\n{}\n{}/{}/{}/{}\n{}", kAlgorithm, *stamp, authorization.date,
                                          authorization.region, service_, kTerminator, base::sha256_hex(canonical));
  const std::string expected = base::hex(hmac(signing_key(*key, authorization.date, authorization.region), to_sign));
  if (!equal_in_constant_time(expected, authorization.signature))
    return invalid(std::string(kWrongSignature));
  return std::nullopt;
}

}  // namespace shoplake::collect
