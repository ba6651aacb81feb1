#include "watch/subscription.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"

namespace shoplake::watch {
namespace {

constexpr std::size_t kDigestShown = 8;

// The host of a URL, without user, port, path.
std::string_view host_of(std::string_view url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos)
    url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos)
    url.remove_prefix(at + 1);
  return url;
}

}  // namespace

std::string_view name(Channel channel) {
  switch (channel) {
    case Channel::email: return "email";
    case Channel::slack: return "slack";
    case Channel::webhook: return "webhook";
    case Channel::file: break;
  }
  return "file";
}

Subscription make_subscription(std::string topic, Channel channel, std::string target) {
  Subscription subscription;
  subscription.topic = std::move(topic);
  subscription.channel = channel;
  const bool is_address = channel == Channel::slack || channel == Channel::webhook;
  subscription.name = fmt::format(
      "{}:{}", name(channel),
      is_address ? fmt::format("{}#{}", host_of(target), base::sha256_hex(target).substr(0, kDigestShown)) : target);
  subscription.target = std::move(target);
  return subscription;
}

}  // namespace shoplake::watch
