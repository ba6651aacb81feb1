#include "app/watch_settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "app/setting_reader.h"
#include "io/env.h"
#include "watch/mail.h"
#include "watch/topics.h"

namespace shoplake::app {
namespace {

using base::Result;
using watch::Channel;
using watch::SmtpSettings;

constexpr std::size_t kSubscriptionsMax = 200;
constexpr int kPerMinuteMax = 6000;
constexpr char kExample[] = "Write one of {email: …}, {slack: …}, {webhook: …}, {file: …}.";

std::string path_below(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : io::join_path(directory, path);
}

bool is_address(const std::string& text) {
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return scheme > 0 && text.size() > scheme &&
         std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

class SubscriptionReader {
 public:
  SubscriptionReader(const SettingReader& reader, const std::string& directory)
      : reader_(reader), directory_(directory) {}

  Result<watch::Subscription> read(const YAML::Node& node, const std::string& topic) {
    if (!node.IsMap())
      return reader_.error(node, fmt::format("topics: {}: a subscription is a mapping", topic), kExample);
    SHOPLAKE_TRY(reader_.mapping(node, "a subscription",
                                 {{"email", target(Channel::email)},
                                  {"slack", target(Channel::slack)},
                                  {"webhook", target(Channel::webhook)},
                                  {"file", target(Channel::file)},
                                  {"secret",
                                   [this](const YAML::Node& value) -> Result<void> {
                                     secret_ = SHOPLAKE_TRY(reader_.text(value, "secret"));
                                     return {};
                                   }},
                                  {"per_minute", [this](const YAML::Node& value) -> Result<void> {
                                     per_minute_ = SHOPLAKE_TRY(reader_.number(value, "per_minute", 1, kPerMinuteMax));
                                     return {};
                                   }}}));
    if (targets_ != 1)
      return reader_.error(node, fmt::format("topics: {}: a subscription has one receiver", topic), kExample);
    if (!secret_.empty() && channel_ != Channel::webhook)
      return reader_.error(node, "only a webhook has a secret");
    auto subscription = watch::make_subscription(topic, channel_, target_);
    subscription.secret = secret_;
    subscription.per_minute = per_minute_.value_or(subscription.per_minute);
    return subscription;
  }

 private:
  SettingReader::Setter target(Channel channel) {
    return [this, channel](const YAML::Node& value) -> Result<void> {
      const std::string kind(name(channel));
      channel_ = channel;
      target_ = SHOPLAKE_TRY(reader_.text(value, kind));
      ++targets_;
      if (channel == Channel::email && !watch::is_mail_address(target_))
        return reader_.error(value, fmt::format("email: \"{}\" is no e-mail address", target_));
      if ((channel == Channel::slack || channel == Channel::webhook) && !is_address(target_))
        return reader_.error(value, kind + ": the value is no address", "Write it as https://…");
      if (channel == Channel::file)
        target_ = path_below(directory_, target_);
      return {};
    };
  }

  const SettingReader& reader_;
  const std::string& directory_;
  Channel channel_ = Channel::file;
  std::string target_;
  std::string secret_;
  std::optional<int> per_minute_;
  int targets_ = 0;
};

Result<double> dollars(const SettingReader& reader, const YAML::Node& node, const std::string& what) {
  const std::string text = SHOPLAKE_TRY(reader.text(node, what));
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value <= 0)
    return reader.error(node, fmt::format("{}: \"{}\" is no amount in dollars", what, text), "Write daily: 5.");
  return value;
}

}  // namespace

Result<void> read_topics(const YAML::Node& value, const std::string& file, const std::string& directory,
                         WatchSettings& settings) {
  const SettingReader reader(file);
  if (!value.IsMap())
    return reader.error(value, "topics is no mapping of topics to lists of subscriptions");
  for (const auto& entry : value) {
    auto topic = watch::topic_name(entry.first.IsScalar() ? entry.first.Scalar() : "");
    if (!topic.ok())
      return reader.error(entry.first, "topics: " + topic.error().message, topic.error().advice);
    if (!entry.second.IsSequence())
      return reader.error(entry.second, fmt::format("topics: {} is no list of subscriptions", *topic), kExample);
    for (const auto& node : entry.second) {
      auto subscription = SHOPLAKE_TRY(SubscriptionReader(reader, directory).read(node, *topic));
      const bool is_double = std::ranges::any_of(settings.subscriptions, [&](const watch::Subscription& other) {
        return other.topic == subscription.topic && other.name == subscription.name;
      });
      if (is_double)
        return reader.error(node, fmt::format("topics: {}: the subscription stands twice", *topic));
      if (settings.subscriptions.size() >= kSubscriptionsMax)
        return reader.error(node, fmt::format("topics: more than {} subscriptions", kSubscriptionsMax));
      settings.subscriptions.push_back(std::move(subscription));
    }
  }
  return {};
}

Result<void> read_smtp(const YAML::Node& value, const std::string& file, const std::string& directory,
                       WatchSettings& settings) {
  const SettingReader reader(file);
  SmtpSettings& smtp = settings.smtp;
  const auto text = [&](std::string& out, const char* what) {
    return [&reader, &out, what](const YAML::Node& node) -> Result<void> {
      out = SHOPLAKE_TRY(reader.text(node, what));
      return {};
    };
  };
  SHOPLAKE_TRY(reader.mapping(
      value, "smtp",
      {{"host", text(smtp.host, "host")},
       {"port",
        [&](const YAML::Node& node) -> Result<void> {
          smtp.port = static_cast<std::uint16_t>(SHOPLAKE_TRY(reader.number(node, "port", 1, 65535)));
          return {};
        }},
       {"security",
        [&](const YAML::Node& node) -> Result<void> {
          const std::string wanted = SHOPLAKE_TRY(reader.text(node, "security"));
          if (wanted != "none" && wanted != "starttls" && wanted != "tls")
            return reader.error(node, fmt::format("security: \"{}\" is none of starttls, tls, none", wanted));
          smtp.security = wanted == "none"  ? SmtpSettings::Security::none
                          : wanted == "tls" ? SmtpSettings::Security::tls
                                            : SmtpSettings::Security::starttls;
          return {};
        }},
       {"user", text(smtp.user, "user")},
       {"password", text(smtp.password, "password")},
       {"from",
        [&](const YAML::Node& node) -> Result<void> {
          smtp.from = SHOPLAKE_TRY(reader.text(node, "from"));
          if (!watch::is_mail_address(smtp.from))
            return reader.error(node, fmt::format("from: \"{}\" is no e-mail address", smtp.from));
          return {};
        }},
       {"certificate_authorities", [&](const YAML::Node& node) -> Result<void> {
          smtp.certificate_authorities =
              path_below(directory, SHOPLAKE_TRY(reader.text(node, "certificate_authorities")));
          return {};
        }}}));
  if (smtp.host.empty() || smtp.from.empty())
    return reader.error(value, "smtp needs host and from",
                        "Write smtp: {host: mail.example.com, from: me@example.com}.");
  if (smtp.user.empty() != smtp.password.empty())
    return reader.error(value, "smtp: user and password belong together");
  if (!smtp.user.empty() && smtp.security == SmtpSettings::Security::none)
    return reader.error(value, "smtp: a password is not sent without TLS", "Take security: starttls or tls.");
  return {};
}

Result<void> read_budgets(const YAML::Node& value, const std::string& file, WatchSettings& settings) {
  const SettingReader reader(file);
  const auto amount = [&](std::optional<double>& out, const char* what) {
    return [&reader, &out, what](const YAML::Node& node) -> Result<void> {
      out = SHOPLAKE_TRY(dollars(reader, node, what));
      return {};
    };
  };
  return reader.mapping(
      value, "budgets",
      {{"daily", amount(settings.daily_budget, "daily")}, {"monthly", amount(settings.monthly_budget, "monthly")}});
}

}  // namespace shoplake::app
