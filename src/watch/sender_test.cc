// What goes over the wire; that it does, over real sockets, is tested by test/service/test_notifications.py.
#include "watch/sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/digest.h"
#include "io/memory_env.h"
#include "watch/mail.h"

namespace shoplake::watch {
namespace {

using testing::HasSubstr;
using testing::Not;

const Notification kNotification{
    "alarm/down/1", "pipeline-notifications", "ALARM: down", "It is <down> & out.", {{"state", "ALARM"}}};
constexpr std::int64_t kPublished = 1'795'260'012'000'000;  // 2026-11-21T11:20:12Z

class FakeTransport final : public http::Transport {
 public:
  base::Result<http::Answer> send(const http::Call& call) override {
    url = call.url;
    body = std::string(call.body);
    headers = call.headers;
    if (!error.empty())
      return base::make_error(base::ErrorKind::environment, "http.cannot_connect", error);
    return answer;
  }
  std::string header(std::string_view name) const {
    for (const auto& [other, value] : headers) {
      if (other == name)
        return value;
    }
    return "";
  }
  http::Answer answer{200, {}, ""};
  std::string error;
  std::string url, body;
  http::Headers headers;
};

class SenderTest : public testing::Test {
 protected:
  SenderTest() { sender_ = make_sender({&env_, &transport_, {}}); }
  SendOutcome send(Channel channel, const std::string& target, const std::string& secret = {}) {
    Subscription subscription = make_subscription("pipeline-notifications", channel, target);
    subscription.secret = secret;
    return sender_->send(subscription, kNotification, kPublished);
  }
  SendOutcome::Kind kind_of(int status) {
    transport_.answer.status = status;
    return send(Channel::webhook, "https://example.com/hook").kind;
  }

  io::MemoryEnv env_{kPublished};
  FakeTransport transport_;
  std::unique_ptr<Sender> sender_;
};

TEST_F(SenderTest, AWebhookGetsWhatSnsPosts) {
  EXPECT_EQ(send(Channel::webhook, "https://example.com/hook", "key").kind, SendOutcome::Kind::delivered);
  EXPECT_EQ(transport_.url, "https://example.com/hook");
  EXPECT_EQ(
      transport_.body,
      R"({"Type":"Notification","MessageId":"alarm/down/1","TopicArn":"arn:aws:sns:local:000000000000:pipeline-notifications","Subject":"ALARM: down","Message":"It is <down> & out.","Timestamp":"2026-11-21T11:20:12Z","MessageAttributes":{"state":{"Type":"String","Value":"ALARM"}}})");
  EXPECT_EQ(transport_.header("x-amz-sns-message-id"), "alarm/down/1");
  const std::string timestamp = transport_.header("X-Shoplake-Timestamp");
  EXPECT_EQ(timestamp, "1795260012");
  EXPECT_EQ(transport_.header("X-Shoplake-Signature"),
            "sha256=" + base::hmac_sha256_hex("key", timestamp + "." + transport_.body));
  send(Channel::webhook, "https://example.com/hook");
  EXPECT_EQ(transport_.header("X-Shoplake-Signature"), "") << "unsigned without a key";
}

TEST_F(SenderTest, SlackGetsAText) {
  EXPECT_EQ(send(Channel::slack, "https://hooks.slack.com/services/T/B/x").kind, SendOutcome::Kind::delivered);
  EXPECT_THAT(transport_.body, HasSubstr("*ALARM: down*\\nIt is &lt;down&gt; &amp; out."));
}

TEST_F(SenderTest, AFileGetsALine) {
  EXPECT_EQ(send(Channel::file, "/told.ndjson").kind, SendOutcome::Kind::delivered);
  send(Channel::file, "/told.ndjson");
  const std::string line = webhook_body(kNotification, kPublished) + "\n";
  EXPECT_EQ(env_.read_file("/told.ndjson").value(), line + line);
  EXPECT_EQ(send(Channel::file, "/absent/told.ndjson").kind, SendOutcome::Kind::failed);
}

TEST_F(SenderTest, AnAnswerSaysWhetherToComeAgain) {
  using Kind = SendOutcome::Kind;
  EXPECT_EQ(kind_of(204), Kind::delivered);
  for (const int status : {400, 401, 403, 404, 410, 301})
    EXPECT_EQ(kind_of(status), Kind::refused) << status;
  for (const int status : {408, 429, 500, 502, 503})
    EXPECT_EQ(kind_of(status), Kind::failed) << status;
  transport_.answer = {429, {{"retry-after", "30"}}, "slowly"};
  EXPECT_EQ(send(Channel::slack, "https://hooks.slack.com/x").retry_after, std::chrono::seconds(30));
  transport_.answer.headers[0].second = "99999999";
  EXPECT_EQ(send(Channel::slack, "https://hooks.slack.com/x").retry_after, std::chrono::seconds(3600));
}

TEST_F(SenderTest, ASecretAddressIsNotTold) {
  transport_.error = "POST https://hooks.slack.com/services/SECRET: connection refused";
  const SendOutcome outcome = send(Channel::slack, "https://hooks.slack.com/services/SECRET");
  EXPECT_EQ(outcome.kind, SendOutcome::Kind::failed);
  EXPECT_THAT(outcome.error, Not(HasSubstr("SECRET")));
  const Subscription subscription = make_subscription("t", Channel::slack, "https://hooks.slack.com/services/SECRET");
  EXPECT_THAT(subscription.name, Not(HasSubstr("SECRET")));
  EXPECT_THAT(subscription.name, HasSubstr("slack:hooks.slack.com#"));
}

TEST_F(SenderTest, MailNeedsAServer) {
  const SendOutcome outcome = send(Channel::email, "ops@example.com");
  EXPECT_EQ(outcome.kind, SendOutcome::Kind::failed);
  EXPECT_THAT(outcome.error, HasSubstr("smtp"));
}

TEST(Mail, IsAMessageOfMime) {
  Notification notification = kNotification;
  notification.subject = "ALARM: Zähler steht";
  notification.message = "Größe\n.\nEnde";
  const std::string text = mail_text({"shoplake@example.com", "ops@example.com", notification, kPublished});
  EXPECT_THAT(text, HasSubstr("Date: Sat, 21 Nov 2026 11:20:12 +0000\r\n"));
  EXPECT_THAT(text, HasSubstr("Subject: =?utf-8?B?" + base::base64_encode(notification.subject) + "?=\r\n"));
  EXPECT_THAT(text, HasSubstr("Message-ID: <" + base::sha256_hex(notification.id).substr(0, 32) + "@example.com>\r\n"));
  const std::string encoded = text.substr(text.find("\r\n\r\n") + 4);
  std::string joined, body;
  for (const char c : encoded) {
    if (c != '\r' && c != '\n')
      joined += c;
  }
  ASSERT_TRUE(base::base64_decode(joined, body));
  EXPECT_THAT(body, HasSubstr("Größe\n.\nEnde\n\nstate: ALARM\n"));
}

TEST(Mail, LongSubjectsAreCutBetweenCharacters) {
  Notification notification = kNotification;
  notification.subject.clear();
  for (int i = 0; i < 100; ++i)
    notification.subject += "ä";
  const std::string text = mail_text({"a@example.com", "b@example.com", notification, kPublished});
  const std::size_t begin = text.find("Subject: ") + 9;
  const std::string subject = text.substr(begin, text.find("\r\nMessage-ID") - begin);
  std::string joined;
  for (std::size_t at = 0; (at = subject.find("=?utf-8?B?", at)) != std::string::npos;) {
    at += 10;
    const std::size_t end = subject.find("?=", at);
    std::string part;
    ASSERT_TRUE(base::base64_decode(subject.substr(at, end - at), part));
    EXPECT_EQ(part.size() % 2, 0u) << "whole characters";
    joined += part;
  }
  EXPECT_EQ(joined, notification.subject);
}

TEST(Mail, AddressesAreChecked) {
  EXPECT_TRUE(is_mail_address("ops@example.com"));
  for (const char* bad :
       {"ops", "@example.com", "ops@", "a b@example.com", "a@b@c", "<a@b>", "a@b\r\nBcc: c@d", "a@b,c@d"})
    EXPECT_FALSE(is_mail_address(bad)) << bad;
}

}  // namespace
}  // namespace shoplake::watch
