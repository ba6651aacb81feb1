// Who is told what is published to a topic. Values; shoplake.yml says which there are (app/watch_settings.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shoplake::watch {

enum class Channel { email, slack, webhook, file };
std::string_view name(Channel channel);

struct Subscription {
  // "email:ops@example.com", "slack:hooks.slack.com#5f3a91c2": what the outbox and people call it. Of an address that
  // may hold secrets only the host and a digest.
  std::string name;
  std::string topic;
  Channel channel = Channel::file;
  std::string target;   // an e-mail address, a URL, an absolute path
  std::string secret;   // of a webhook: the key of its signature; empty: none
  int per_minute = 60;  // more than that wait
};

Subscription make_subscription(std::string topic, Channel channel, std::string target);

// The server that takes e-mail.
struct SmtpSettings {
  enum class Security {
    none,      // as it is, for a server on this machine
    starttls,  // begins plain and must offer TLS
    tls,       // TLS from the first byte
  };
  std::string host;  // empty: there is none
  std::uint16_t port = 25;
  Security security = Security::starttls;
  std::string user;  // empty: no sign-in
  std::string password;
  std::string from;
  std::string certificate_authorities;  // a PEM file in place of the machine's
};

}  // namespace shoplake::watch
