// E-mail: a notification as a message of RFC 5322 (MIME, UTF-8), and the sending of it by SMTP (RFC 5321, STARTTLS by
// RFC 3207, sign-in by RFC 4954). Internal to watch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "watch/sender.h"
#include "watch/subscription.h"
#include "watch/topics.h"

namespace shoplake::watch {

struct Mail {
  std::string_view from;
  std::string_view to;
  const Notification& notification;
  std::int64_t published_micros = 0;
};
// With lines ended by CR LF, as DATA takes them. The Message-ID is a digest of the notification's id: a second mail of
// it has the same one.
std::string mail_text(const Mail& mail);

// Blocks for at most kSendTimeout. Thread safe.
SendOutcome send_by_smtp(const SmtpSettings& settings, const std::string& recipient, const std::string& text);

// "ops@example.com": what an envelope takes, without spaces and angle brackets.
bool is_mail_address(std::string_view text);

}  // namespace shoplake::watch
