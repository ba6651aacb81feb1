#include "watch/topics.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace shoplake::watch {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr char kTables[] = R"(
create table if not exists notifications (
  id text primary key,
  topic text not null,
  subject text not null,
  message text not null,
  attributes text not null,          -- a JSON object of texts
  published_at integer not null,     -- microseconds since 1970
  is_routed integer not null         -- 0: its deliveries have not been made yet
) without rowid;
create index if not exists notifications_by_topic on notifications (topic, published_at);
create index if not exists notifications_to_route on notifications (published_at) where is_routed = 0;
create table if not exists deliveries (
  notification text not null references notifications (id),
  subscription text not null,
  state text not null,               -- waiting, sending, delivered, refused, uncertain
  attempts integer not null,
  interrupted integer not null,      -- attempts that a crash cut off: they may have arrived
  published_at integer not null,
  next_at integer not null,          -- not before this time
  ended_at integer,
  last_error text,
  primary key (notification, subscription)
) without rowid;
create index if not exists deliveries_open on deliveries (next_at) where ended_at is null;
)";

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicNameMax && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// What is wrong with it; empty if nothing is.
std::string wrong_with(const Notification& notification) {
  if (notification.id.empty() || notification.id.size() > kNotificationIdMax || has_controls(notification.id))
    return fmt::format("its id has 1 to {} bytes, without control characters", kNotificationIdMax);
  if (!is_topic_name(notification.topic))
    return fmt::format("\"{}\" is no name of a topic", notification.topic.substr(0, kTopicNameMax));
  if (notification.subject.empty() || characters(notification.subject) > kSubjectCharactersMax ||
      has_controls(notification.subject))
    return fmt::format("its subject is one line of 1 to {} characters", kSubjectCharactersMax);
  if (notification.message.empty())
    return "it has no message";
  std::size_t bytes = notification.subject.size() + notification.message.size();
  for (const auto& [name, value] : notification.attributes)
    bytes += name.size() + value.size();
  if (bytes > kMessageBytesMax)
    return fmt::format("it has {} bytes, more than {}", bytes, kMessageBytesMax);
  return {};
}

std::string attributes_text(const Attributes& attributes) {
  nlohmann::json document = nlohmann::json::object();
  for (const auto& [name, value] : attributes)
    document[name] = value;
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::int64_t> count_waiting(io::Database& control_plane, const std::string& topic) {
  // Of those to route and those on their way; both sets are small, and indexed.
  auto statement = SHOPLAKE_TRY(control_plane.prepare(
      "select (select count(*) from notifications where is_routed = 0 and topic = ?1) + (select count(distinct "
      "d.notification) from deliveries d join notifications n on n.id = d.notification where d.ended_at is null and "
      "n.topic = ?1)"));
  statement.bind(1, topic);
  SHOPLAKE_TRY(statement.step());
  return statement.integer(0);
}

}  // namespace

Result<void> prepare_topics(io::Database& control_plane) { return control_plane.execute(kTables); }

Result<Published> publish(io::Database& control_plane, const Notification& notification, std::int64_t now_micros) {
  if (const std::string wrong = wrong_with(notification); !wrong.empty()) {
    return make_error(ErrorKind::usage, "watch.bad_notification",
                      fmt::format("a notification of {} cannot be published: {}", notification.topic, wrong));
  }
  auto known = SHOPLAKE_TRY(control_plane.prepare("select 1 from notifications where id = ?"));
  if (SHOPLAKE_TRY(known.bind(1, notification.id).step()))
    return Published{false};
  if (SHOPLAKE_TRY(count_waiting(control_plane, notification.topic)) >= kWaitingNotificationsMax) {
    return make_error(
        ErrorKind::environment, "watch.outbox_full",
        fmt::format("{} notifications of {} wait for their delivery", kWaitingNotificationsMax, notification.topic),
        "`shoplake topic ls` says which subscription does not take them.");
  }
  auto insert = SHOPLAKE_TRY(control_plane.prepare(
      "insert into notifications (id, topic, subject, message, attributes, published_at, is_routed) values (?, ?, ?, "
      "?, ?, ?, 0) on conflict do nothing"));
  insert.bind(1, notification.id)
      .bind(2, notification.topic)
      .bind(3, notification.subject)
      .bind(4, notification.message)
      .bind(5, attributes_text(notification.attributes))
      .bind(6, now_micros);
  return Published{SHOPLAKE_TRY(insert.run()) > 0};
}

Result<Published> publish(const std::string& control_plane, const Notification& notification, std::int64_t now_micros) {
  const auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(prepare_topics(*database));
  return publish(*database, notification, now_micros);
}

Result<std::string> topic_name(std::string_view name_or_arn) {
  std::string_view name = name_or_arn;
  if (name.starts_with("arn:"))
    name.remove_prefix(name.rfind(':') + 1);
  if (!is_topic_name(name)) {
    return make_error(ErrorKind::usage, "watch.bad_topic", fmt::format("\"{}\" names no topic", name_or_arn),
                      "Topics are called like pipeline-notifications: letters, digits, - and _.");
  }
  return std::string(name);
}

}  // namespace shoplake::watch
