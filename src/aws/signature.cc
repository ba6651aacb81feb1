#include "aws/signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "base/digest.h"
#include "base/result.h"

namespace shoplake::aws {
namespace {

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  SHOPLAKE_CHECK(done != nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

std::string uri_encode(std::string_view text, bool keeps_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte)) || c == '-' || c == '_' || c == '.' || c == '~' ||
        (c == '/' && keeps_slash)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

std::string canonical_query(const Pairs& parameters) {
  Pairs encoded;
  for (const auto& [name, value] : parameters)
    encoded.emplace_back(uri_encode(name), uri_encode(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded)
    out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  return out;
}

std::string canonical_value(std::string_view value) {
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
    value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
    value.remove_suffix(1);
  std::string out;
  bool space = false;
  for (const char c : value) {
    if (c == ' ' && space)
      continue;
    space = c == ' ';
    out.push_back(c);
  }
  return out;
}

std::string timestamp(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::optional<std::int64_t> parse_timestamp(std::string_view stamp) {
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

std::string to_string(const Scope& scope) {
  return fmt::format("{}/{}/{}/{}", scope.date, scope.region, scope.service, kTerminator);
}

std::string signing_key(std::string_view secret, const Scope& scope) {
  const std::string of_date = hmac(fmt::format("AWS4{}", secret), scope.date);
  return hmac(hmac(hmac(of_date, scope.region), scope.service), kTerminator);
}

std::string signed_headers(const CanonicalRequest& request) {
  std::string names;
  for (const auto& [name, value] : request.headers)
    names.append(names.empty() ? "" : ";").append(name);
  return names;
}

std::string signature(const CanonicalRequest& request, std::string_view key, std::string_view stamp,
                      const Scope& scope) {
  std::string canonical = fmt::format("{}\n{}\n{}\n", request.method, request.path, request.query);
  for (const auto& [name, value] : request.headers)
    canonical.append(name).append(":").append(value).append("\n");
  canonical.append("\n").append(signed_headers(request)).append("\n").append(request.payload_sha256);
  return base::hex(
      hmac(key, fmt::format("{}\n{}\n{}\n{}", kAlgorithm, stamp, to_string(scope), base::sha256_hex(canonical))));
}

std::string authorization(const CanonicalRequest& request, std::string_view access_key_id, std::string_view key,
                          std::string_view stamp, const Scope& scope) {
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm, access_key_id, to_string(scope),
                     signed_headers(request), signature(request, key, stamp, scope));
}

}  // namespace shoplake::aws
