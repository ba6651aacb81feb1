#include "http/address.h"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace shoplake::http {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string host_name(std::string_view authority) {
  if (authority.starts_with('[')) {
    return lower_case(authority.substr(1, authority.find(']') == std::string_view::npos ? 0 : authority.find(']') - 1));
  }
  auto host = authority.substr(0, authority.find(':'));
  if (host.ends_with('.'))
    host.remove_suffix(1);
  return lower_case(host);
}

bool is_loopback_name(std::string_view host) {
  if (host == "127.0.0.1")
    return true;
  const std::string name = lower_case(host);
  if (name == "localhost" || name.ends_with(".localhost"))
    return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(name, error);
  return !error && address.is_loopback();
}

base::Result<HostAndPort> parse_host_and_port(std::string_view text, const HostAndPort& defaults) {
  HostAndPort parsed = defaults;
  std::string_view port;
  const auto bad = [&](const std::string& why) {
    return base::make_error(base::ErrorKind::usage, "serve.bad_address",
                            fmt::format("'{}' is not HOST:PORT: {}", text, why),
                            "examples: 127.0.0.1:8080, [::1]:8080, :8080 (all interfaces)");
  };
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos)
      return bad("a ']' is missing");
    parsed.host = text.substr(1, end - 1);
    auto rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':'))
      return bad("after ']' comes ':PORT'");
    if (!rest.empty())
      port = rest.substr(1);
    if (!rest.empty() && port.empty())
      return bad("the port is empty");
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    if (text.find(':') != colon)
      return bad("an IPv6 address stands in brackets");
    parsed.host = colon == 0 ? std::string("0.0.0.0") : std::string(text.substr(0, colon));
    port = text.substr(colon + 1);
    if (port.empty())
      return bad("the port is empty");
  } else if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    port = text;
  } else {
    parsed.host = text;
  }
  if (parsed.host.empty())
    return bad("the host is empty");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (error != std::errc() || end != port.data() + port.size())
      return bad("the port is a number up to 65535");
  }
  return parsed;
}

}  // namespace shoplake::http
