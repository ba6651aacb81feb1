#include "watch/sender.h"

#include <fmt/format.h>

#include <charconv>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/digest.h"
#include "base/moment.h"
#include "watch/mail.h"

namespace shoplake::watch {
namespace {

using Kind = SendOutcome::Kind;

constexpr std::size_t kSlackBytesMax = 3'000;  // Slack cuts texts far longer than people read
constexpr std::uint64_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kAnswerShownMax = 200;
constexpr std::chrono::seconds kRetryAfterMax{3600};
constexpr std::string_view kArnPrefix = "arn:aws:sns:local:000000000000:";

std::string text_of(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Slack's three characters of markup.
std::string slack_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

// Whole characters only.
std::string shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max)
    return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return text.substr(0, end) + "…";
}

std::optional<std::chrono::seconds> retry_after(const http::Answer& answer) {
  const std::string_view text = answer.header("retry-after");
  int seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds < 0)
    return {};
  return std::min(std::chrono::seconds(seconds), kRetryAfterMax);
}

// As Amazon SNS: what the receiver says is wrong with the request is not sent again, but for "too many" and "too slow".
SendOutcome outcome_of(const http::Answer& answer) {
  if (answer.status >= 200 && answer.status < 300)
    return {};
  const bool is_final = answer.status >= 300 && answer.status < 500 && answer.status != 408 && answer.status != 429;
  return {is_final ? Kind::refused : Kind::failed,
          fmt::format("the answer was {}: {}", answer.status, shortened(answer.body, kAnswerShownMax)),
          retry_after(answer)};
}

class ChannelSender final : public Sender {
 public:
  explicit ChannelSender(SenderOptions options) : options_(std::move(options)) {}

  SendOutcome send(const Subscription& subscription, const Notification& notification,
                   std::int64_t published_micros) override {
    switch (subscription.channel) {
      case Channel::email: return send_mail(subscription, notification, published_micros);
      case Channel::slack: return post(subscription.target, slack_body(notification), {});
      case Channel::webhook: return post_signed(subscription, notification, published_micros);
      case Channel::file: break;
    }
    return append(subscription.target, webhook_body(notification, published_micros));
  }

 private:
  SendOutcome send_mail(const Subscription& subscription, const Notification& notification,
                        std::int64_t published_micros) {
    if (options_.smtp.host.empty())
      return {Kind::failed, "shoplake.yml names no server for e-mail (smtp: {host: …})"};
    return send_by_smtp(options_.smtp, subscription.target,
                        mail_text({options_.smtp.from, subscription.target, notification, published_micros}));
  }

  SendOutcome post_signed(const Subscription& subscription, const Notification& notification,
                          std::int64_t published_micros) {
    const std::string body = webhook_body(notification, published_micros);
    http::Headers headers{{"x-amz-sns-message-type", "Notification"},
                          {"x-amz-sns-message-id", notification.id},
                          {"x-amz-sns-topic-arn", std::string(kArnPrefix) + notification.topic}};
    if (!subscription.secret.empty()) {
      const std::string timestamp = std::to_string(options_.env->now_micros() / base::kMicrosPerSecond);
      headers.emplace_back("X-Shoplake-Timestamp", timestamp);
      headers.emplace_back("X-Shoplake-Signature", webhook_signature(subscription.secret, timestamp, body));
    }
    return post(subscription.target, body, std::move(headers));
  }

  SendOutcome post(const std::string& url, const std::string& body, http::Headers headers) {
    http::Call call;
    call.method = "POST";
    call.url = url;
    call.headers = std::move(headers);
    call.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
    call.headers.emplace_back("User-Agent", "shoplake");
    call.body = body;
    call.total_timeout = kSendTimeout;
    call.body_bytes_max = kAnswerBytesMax;
    const auto answer = options_.transport->send(call);
    if (!answer.ok())
      return {Kind::failed, failure_text(answer.error(), url)};
    return outcome_of(*answer);
  }

  // Without the address, whose path may be a secret.
  static std::string failure_text(const base::Error& error, const std::string& url) {
    std::string text = error.message;
    for (std::size_t at = text.find(url); at != std::string::npos; at = text.find(url))
      text.replace(at, url.size(), "the address");
    return text;
  }

  SendOutcome append(const std::string& path, const std::string& line) {
    const std::scoped_lock lock(file_mutex_);
    const auto write = [&]() -> base::Result<void> {
      auto file = SHOPLAKE_TRY(options_.env->append_file(path));
      SHOPLAKE_TRY(file->append(line + "\n"));
      SHOPLAKE_TRY(file->sync());
      return file->close();
    };
    const auto written = write();
    return written.ok() ? SendOutcome{} : SendOutcome{Kind::failed, written.error().message};
  }

  SenderOptions options_;
  std::mutex file_mutex_;
};

}  // namespace

std::string webhook_body(const Notification& notification, std::int64_t published_micros) {
  nlohmann::ordered_json document;
  document["Type"] = "Notification";
  document["MessageId"] = notification.id;
  document["TopicArn"] = std::string(kArnPrefix) + notification.topic;
  document["Subject"] = notification.subject;
  document["Message"] = notification.message;
  document["Timestamp"] = base::timestamp_text(published_micros);
  for (const auto& [name, value] : notification.attributes)
    document["MessageAttributes"][name] = {{"Type", "String"}, {"Value", value}};
  return text_of(document);
}

std::string webhook_signature(std::string_view secret, std::string_view timestamp, std::string_view body) {
  return "sha256=" + base::hmac_sha256_hex(secret, fmt::format("{}.{}", timestamp, body));
}

std::string slack_body(const Notification& notification) {
  nlohmann::ordered_json document;
  document["text"] = fmt::format(
      "{}\n_{} · {}_",
      shortened(fmt::format("*{}*\n{}", slack_escaped(notification.subject), slack_escaped(notification.message)),
                kSlackBytesMax),
      notification.topic, slack_escaped(notification.id));
  return text_of(document);
}

std::unique_ptr<Sender> make_sender(SenderOptions options) {
  return std::make_unique<ChannelSender>(std::move(options));
}

}  // namespace shoplake::watch
