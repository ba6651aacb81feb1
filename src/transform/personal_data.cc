#include "transform/personal_data.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/digest.h"

namespace shoplake::transform {

namespace {

bool is_letter(unsigned char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_local(unsigned char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '+' || c == '-' || c >= 0x80;
}
bool is_domain(unsigned char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c >= 0x80; }

int hex_value(unsigned char c) {
  if (is_digit(c))
    return c - '0';
  const unsigned char lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that "%XX" at `at` stands for, or -1.
int percent_byte(std::string_view text, std::size_t at) {
  if (at + 3 > text.size() || text[at] != '%')
    return -1;
  const int high = hex_value(static_cast<unsigned char>(text[at + 1]));
  const int low = hex_value(static_cast<unsigned char>(text[at + 2]));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Where the local part that ends before `end` begins. Escapes are taken whole; one that stands for a delimiter ends it.
std::size_t local_begin(std::string_view text, std::size_t end, std::size_t limit) {
  std::size_t begin = end;
  while (begin > limit) {
    if (begin >= limit + 3) {
      const int byte = percent_byte(text, begin - 3);
      if (byte >= 0) {
        if (!is_local(static_cast<unsigned char>(byte)))
          break;
        begin -= 3;
        continue;
      }
    }
    if (!is_local(static_cast<unsigned char>(text[begin - 1])))
      break;
    --begin;
  }
  return begin;
}

// Where the domain that begins at `begin` ends; `begin` itself if there is none.
std::size_t domain_end(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && is_domain(static_cast<unsigned char>(text[end])))
    ++end;
  while (end > begin && (text[end - 1] == '.' || text[end - 1] == '-'))
    --end;  // the end of a sentence
  const std::string_view domain = text.substr(begin, end - begin);
  const std::size_t dot = domain.rfind('.');
  if (dot == std::string_view::npos || dot == 0)
    return begin;
  const std::string_view last = domain.substr(dot + 1);
  if (last.size() < 2 ||
      !std::all_of(last.begin(), last.end(),
                   [](unsigned char c) { return is_letter(c) || c >= 0x80 || c == '-' || is_digit(c); }) ||
      !(is_letter(static_cast<unsigned char>(last.front())) || static_cast<unsigned char>(last.front()) >= 0x80)) {
    return begin;
  }
  constexpr std::array<std::string_view, 8> kFileEndings = {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js"};
  std::string lower(last);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  if (std::find(kFileEndings.begin(), kFileEndings.end(), lower) != kFileEndings.end())
    return begin;
  return end;
}

// The length of an at sign at `at` in any spelling, or 0.
std::size_t at_sign(std::string_view text, std::size_t at) {
  if (text[at] == '@')
    return 1;
  if (text.compare(at, 3, "%40") == 0)
    return 3;
  if (text.compare(at, 5, "%2540") == 0)
    return 5;
  if (text.compare(at, 6, "\\u0040") == 0)
    return 6;  // in the JSON text of unknown fields
  return 0;
}

bool may_hold_address(std::string_view text) {
  return std::memchr(text.data(), '@', text.size()) != nullptr || text.find("40", 1) != std::string_view::npos;
}

template <typename Replace>
std::string_view replace_addresses(std::string_view text, std::string& scratch, Replace&& replace) {
  if (text.empty() || !may_hold_address(text))
    return text;
  std::size_t copied = 0;
  bool changed = false;
  for (std::size_t at = 1; at < text.size();) {
    const char c = text[at];
    const std::size_t sign = c == '@' || c == '%' || c == '\\' ? at_sign(text, at) : 0;
    if (sign == 0) {
      ++at;
      continue;
    }
    const std::size_t begin = local_begin(text, at, copied);
    const std::size_t end = domain_end(text, at + sign);
    if (begin == at || end == at + sign) {
      at += sign;
      continue;
    }
    if (!changed)
      scratch.clear();
    changed = true;
    scratch.append(text, copied, begin - copied);
    replace(text.substr(begin, at - begin), text.substr(at + sign, end - at - sign));
    copied = at = end;
  }
  if (!changed)
    return text;
  scratch.append(text, copied);
  return scratch;
}

// "203.0.113.0" of an IPv4 address, "2001:db8:85a3::" of an IPv6 address.
std::string truncated_address(std::string_view text) {
  constexpr std::size_t kIpv4Kept = 3;
  constexpr std::size_t kIpv6Kept = 6;
  const std::string address(text);
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> spelled{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
    std::fill(bytes.begin() + kIpv4Kept, bytes.end(), static_cast<unsigned char>(0));
    return inet_ntop(AF_INET, bytes.data(), spelled.data(), spelled.size());
  }
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
    const bool is_mapped = std::memcmp(bytes.data(), "\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12) == 0;  // ::ffff:203.0.113.7
    const std::size_t kept = is_mapped ? 12 + kIpv4Kept : kIpv6Kept;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(kept), bytes.end(), static_cast<unsigned char>(0));
    return inet_ntop(AF_INET6, bytes.data(), spelled.data(), spelled.size());
  }
  return std::string(kRemoved);
}

}  // namespace

std::string_view treated(std::string_view text, contract::Treatment treatment, std::string& scratch,
                         std::string_view hash_key) {
  switch (treatment) {
    case contract::Treatment::keep:
    case contract::Treatment::drop: return text;
    case contract::Treatment::mask:
      return replace_addresses(text, scratch,
                               [&](std::string_view, std::string_view) { scratch.append(kMaskedEmail); });
    case contract::Treatment::pseudonymize:
      return replace_addresses(text, scratch, [&](std::string_view local, std::string_view domain) {
        std::string address = std::string(local) + "@" + std::string(domain);
        for (char& c : address)
          c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        scratch.append("email:");
        scratch.append(base::sha256_hex(address).substr(0, 32));
      });
    case contract::Treatment::hash: scratch = base::hmac_sha256_hex(hash_key, text); return scratch;
    case contract::Treatment::truncate_ip: scratch = truncated_address(text); return scratch;
  }
  return text;
}

}  // namespace shoplake::transform
