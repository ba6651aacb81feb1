#include "watch/mail.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/base64.h"
#include "base/digest.h"
#include "base/moment.h"

namespace shoplake::watch {
namespace {

constexpr std::size_t kMessageIdDigits = 32;
constexpr std::size_t kEncodedLine = 76;  // RFC 2045
constexpr std::size_t kEncodedWord = 45;  // bytes in one: 60 characters of base64, RFC 2047 allows 75 with its frame

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; });
}

std::string header_text(std::string_view text) {
  if (is_ascii(text))
    return std::string(text);
  std::string encoded;
  while (!text.empty()) {
    std::size_t end = std::min(kEncodedWord, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;
    encoded +=
        fmt::format("{}=?utf-8?B?{}?=", encoded.empty() ? "" : "\r\n ", base::base64_encode(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return encoded;
}

// "Sat, 21 Nov 2026 11:20:12 +0000"
std::string date_header(std::int64_t micros) {
  static constexpr std::array kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::int64_t days = base::day_of(micros);
  const base::CivilDay day = base::civil_day(days);
  const std::int64_t second = micros / base::kMicrosPerSecond - days * 86'400;
  return fmt::format(
      "{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[static_cast<std::size_t>(base::day_of_week(days) - 1)], day.day,
      kMonths[static_cast<std::size_t>(day.month - 1)], day.year, second / 3600, second / 60 % 60, second % 60);
}

std::string body_lines(std::string_view text) {
  const std::string encoded = base::base64_encode(text);
  std::string lines;
  for (std::size_t at = 0; at < encoded.size(); at += kEncodedLine)
    lines += encoded.substr(at, kEncodedLine) + "\r\n";
  return lines;
}

struct Upload {
  std::string_view rest;
};

std::size_t give(char* buffer, std::size_t size, std::size_t count, void* from) {
  auto& upload = *static_cast<Upload*>(from);
  const std::size_t bytes = std::min(size * count, upload.rest.size());
  std::memcpy(buffer, upload.rest.data(), bytes);
  upload.rest.remove_prefix(bytes);
  return bytes;
}

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

void secure(CURL* handle, const SmtpSettings& settings) {
  if (settings.security == SmtpSettings::Security::starttls)
    curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  if (!settings.certificate_authorities.empty())
    curl_easy_setopt(handle, CURLOPT_CAINFO, settings.certificate_authorities.c_str());
  if (!settings.user.empty()) {
    curl_easy_setopt(handle, CURLOPT_USERNAME, settings.user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, settings.password.c_str());
  }
}

}  // namespace

bool is_mail_address(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.size() <= 254 &&
         text.find('@', at + 1) == std::string_view::npos && std::ranges::all_of(text, [](unsigned char c) {
           return c > 0x20 && c < 0x7F && c != '<' && c != '>' && c != ',' && c != '"' && c != '\\';
         });
}

std::string mail_text(const Mail& mail) {
  const Notification& notification = mail.notification;
  const std::string_view domain = mail.from.substr(mail.from.find('@') + 1);
  std::string body = notification.message;
  if (!notification.attributes.empty())
    body += "\n";
  for (const auto& [name, value] : notification.attributes)
    body += fmt::format("\n{}: {}", name, value);
  body += fmt::format("\n\n-- \n{} · {} · {}\n", notification.topic, base::timestamp_text(mail.published_micros),
                      notification.id);
  return fmt::format(
      "Date: {}\r\nFrom: shoplake <{}>\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{}@{}>\r\nAuto-Submitted: "
      "auto-generated\r\nX-Shoplake-Topic: {}\r\nX-Shoplake-Notification-Id: {}\r\nMIME-Version: 1.0\r\nContent-Type: "
      "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
      date_header(mail.published_micros), mail.from, mail.to, header_text(notification.subject),
      base::sha256_hex(notification.id).substr(0, kMessageIdDigits), domain, notification.topic,
      header_text(notification.id), body_lines(body));
}

SendOutcome send_by_smtp(const SmtpSettings& settings, const std::string& recipient, const std::string& text) {
  const std::unique_ptr<CURL, EasyDeleter> handle(curl_easy_init());
  SHOPLAKE_CHECK(handle != nullptr);
  CURL* const curl = handle.get();
  const bool is_tls = settings.security == SmtpSettings::Security::tls;
  const std::string url = fmt::format("{}://{}:{}", is_tls ? "smtps" : "smtp", settings.host, settings.port);
  const std::string from = fmt::format("<{}>", settings.from);
  const std::unique_ptr<curl_slist, ListDeleter> recipients(
      curl_slist_append(nullptr, fmt::format("<{}>", recipient).c_str()));
  char reason[CURL_ERROR_SIZE] = "";
  Upload upload{text};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &give);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(kSendTimeout.count()));
  secure(curl, settings);
  const CURLcode outcome = curl_easy_perform(curl);
  if (outcome == CURLE_OK)
    return {};
  long reply = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
  // A permanent negative reply to the message itself; a sign-in that is refused may be put right.
  const bool is_final = reply >= 500 && reply < 600 && outcome != CURLE_LOGIN_DENIED &&
                        outcome != CURLE_USE_SSL_FAILED && outcome != CURLE_PEER_FAILED_VERIFICATION;
  return {is_final ? SendOutcome::Kind::refused : SendOutcome::Kind::failed,
          fmt::format("{}:{}: {}", settings.host, settings.port, *reason ? reason : curl_easy_strerror(outcome))};
}

}  // namespace shoplake::watch
