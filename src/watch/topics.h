// Topics and the outbox of notifications: who has something to say publishes it here, in the same transaction as what
// it is about; `serve` (or `shoplake topic deliver`) brings it to the topic's subscriptions afterwards
// (watch/outbox.h). Publishing needs no network and no configuration.
//
// Names and limits are those of Amazon SNS. A topic need not be made: a notification of a topic without subscriptions
// is kept in the history and goes nowhere.
//
// Tables of the control plane (docs/formats/home.md): notifications, deliveries. Source of the limits:
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
//
// A function uses the given connection and may run inside a transaction of the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::watch {

inline constexpr std::string_view kPipelineNotifications = "pipeline-notifications";  // flows: done, failed
inline constexpr std::string_view kDataQualityAlerts = "data-quality-alerts";         // rules that are not satisfied
inline constexpr std::string_view kCostAlerts = "cost-alerts";                        // budgets

inline constexpr std::size_t kTopicNameMax = 256;
inline constexpr std::size_t kSubjectCharactersMax = 100;
inline constexpr std::size_t kMessageBytesMax = 256 * 1024;  // subject, message and attributes together
inline constexpr std::size_t kNotificationIdMax = 256;
// Not yet delivered, of one topic; the next one is refused (watch.outbox_full).
inline constexpr std::int64_t kWaitingNotificationsMax = 10'000;

// String attributes, for those who filter or route by them.
using Attributes = std::map<std::string, std::string>;

struct Notification {
  // The same for the same occasion, also when whoever publishes comes again after a crash: a second one of this id is
  // not a second notification. Receivers see it, too.
  std::string id;
  std::string topic;
  std::string subject;  // one line
  std::string message;
  Attributes attributes = {};
};

// Creates the tables if absent.
base::Result<void> prepare_topics(io::Database& control_plane);

struct Published {
  bool is_new = true;  // false: there was one of this id already; nothing was changed
};
// Errors: watch.bad_notification (usage), watch.outbox_full (environment), and those of io::Database.
base::Result<Published> publish(io::Database& control_plane, const Notification& notification, std::int64_t now_micros);

// The same for one who has no connection at hand.
base::Result<Published> publish(const std::string& control_plane, const Notification& notification,
                                std::int64_t now_micros);

// "pipeline-notifications", or the name at the end of "arn:aws:sns:eu-central-1:123456789012:pipeline-notifications".
// Error watch.bad_topic (usage).
base::Result<std::string> topic_name(std::string_view name_or_arn);

}  // namespace shoplake::watch
