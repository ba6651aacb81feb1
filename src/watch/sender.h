// Sender: brings one notification to one subscription, by SMTP, HTTP or into a file. Blocks, for at most
// kSendTimeout and a little.
//
// What is sent (docs/watch.md): an e-mail; to Slack its `text`; to a webhook the JSON that Amazon SNS posts, signed if
// the subscription has a key; to a file the same JSON, one line each. All hold the notification's id, so that a
// receiver knows a second one.
//
// Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/transport.h"
#include "io/env.h"
#include "watch/subscription.h"
#include "watch/topics.h"

namespace shoplake::watch {

inline constexpr std::chrono::seconds kSendTimeout{20};

struct SendOutcome {
  enum class Kind {
    delivered,
    failed,   // or nobody knows: a later attempt may help
    refused,  // the same attempt would fail again
  };
  Kind kind = Kind::delivered;
  std::string error;  // of what is not delivered
  std::optional<std::chrono::seconds> retry_after = {};
};

class Sender {
 public:
  virtual ~Sender() = default;
  virtual SendOutcome send(const Subscription& subscription, const Notification& notification,
                           std::int64_t published_micros) = 0;
};

struct SenderOptions {
  io::Env* env = nullptr;
  http::Transport* transport = nullptr;
  SmtpSettings smtp;
};
std::unique_ptr<Sender> make_sender(SenderOptions options);

// The parts that a test looks at.
std::string webhook_body(const Notification& notification, std::int64_t published_micros);
// Of the header X-Shoplake-Signature: "sha256=" and HMAC-SHA-256 of "<timestamp>.<body>", in hexadecimal.
std::string webhook_signature(std::string_view secret, std::string_view timestamp, std::string_view body);
std::string slack_body(const Notification& notification);

}  // namespace shoplake::watch
