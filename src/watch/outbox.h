// The outbox: which notification still has to go to which subscription, durable in the control plane. Each send is
// noted before it begins and after it ended, so that after a crash in between it is known that it may have arrived: it
// is sent once more under the same id, and never a third time (State::uncertain).
//
// One process at a time delivers (the lock is the caller's); any process publishes. One thread at a time. Errors: those
// of io::Database. Tables: docs/formats/notifications.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/sqlite.h"
#include "watch/subscription.h"
#include "watch/topics.h"

namespace shoplake::watch {

enum class DeliveryState { waiting, sending, delivered, refused, uncertain };
std::string_view name(DeliveryState state);

struct Delivery {
  Notification notification;
  std::string subscription;
  DeliveryState state = DeliveryState::waiting;
  std::int64_t attempts = 0;
  std::int64_t published_micros = 0;
  std::int64_t next_micros = 0;
  std::optional<std::int64_t> ended_micros;
  std::string last_error;
};

struct PublishedNotification {
  Notification notification;
  std::int64_t published_micros = 0;
  bool is_routed = false;
  std::vector<Delivery> deliveries;  // without their notification
};

struct SubscriptionStatus {
  std::int64_t delivered = 0, waiting = 0, given_up = 0;
  std::optional<std::int64_t> last_delivered_micros;
  std::string last_error;  // of one that waits
};

class Outbox {
 public:
  static base::Result<std::unique_ptr<Outbox>> open(const std::string& control_plane);

  // After a start: what was being sent when the process before died.
  base::Result<void> recover(std::int64_t now_micros);

  // Makes the deliveries of what was published since. Returns how many notifications that were.
  base::Result<std::int64_t> route(std::span<const Subscription> subscriptions, std::int64_t now_micros);

  // The next delivery that is due, oldest notification first, to none of the given subscriptions; notes that it is
  // being sent.
  base::Result<std::optional<Delivery>> take(std::int64_t now_micros, const std::set<std::string>& busy);
  // When the next one is due, if any is waiting.
  base::Result<std::optional<std::int64_t>> next_due();

  // How it went.
  base::Result<void> delivered(const Delivery& delivery, std::int64_t now_micros);
  base::Result<void> try_again(const Delivery& delivery, std::int64_t next_micros, const std::string& error);
  base::Result<void> give_up(const Delivery& delivery, std::int64_t now_micros, const std::string& error);

  // Newest first; of all topics if it is empty.
  base::Result<std::vector<PublishedNotification>> history(const std::string& topic, std::int64_t rows_max);
  base::Result<SubscriptionStatus> status(const std::string& topic, const std::string& subscription);

  // Removes what was published before, and its deliveries, open ones included.
  base::Result<std::int64_t> forget_before(std::int64_t micros);

 private:
  explicit Outbox(std::unique_ptr<io::Database> database) : database_(std::move(database)) {}
  base::Result<void> end(const Delivery& delivery, DeliveryState state, std::int64_t now_micros,
                         const std::string& error);

  std::unique_ptr<io::Database> database_;
};

}  // namespace shoplake::watch
