// Addresses and host names as people, clients and browsers write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::http {

struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (all interfaces), "8080" (default host). Error
// serve.bad_address (usage).
base::Result<HostAndPort> parse_host_and_port(std::string_view text, const HostAndPort& defaults);

// Whether the name or address always means this machine: "localhost", names below it (RFC 6761), 127.0.0.0/8, "::1".
// Nothing is resolved.
bool is_loopback_name(std::string_view host);

// The host of a Host field, in lower case, without port, brackets or a dot at its end: "[::1]:8080" is "::1".
std::string host_name(std::string_view authority);

// ASCII only, whatever the locale.
std::string lower_case(std::string_view text);

}  // namespace shoplake::http
