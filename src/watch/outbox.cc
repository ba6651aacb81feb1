#include "watch/outbox.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace shoplake::watch {
namespace {

using base::Result;

constexpr std::size_t kErrorBytesMax = 1000;
constexpr int kInterruptionsMax = 2;

Attributes parse_attributes(const std::string& text) {
  Attributes attributes;
  const auto document = nlohmann::json::parse(text, nullptr, false);
  if (!document.is_object())
    return attributes;
  for (const auto& [name, value] : document.items()) {
    if (value.is_string())
      attributes[name] = value.get<std::string>();
  }
  return attributes;
}

DeliveryState state_of(std::string_view text) {
  for (const DeliveryState state :
       {DeliveryState::sending, DeliveryState::delivered, DeliveryState::refused, DeliveryState::uncertain}) {
    if (text == name(state))
      return state;
  }
  return DeliveryState::waiting;
}

// From the columns id, topic, subject, message, attributes.
Notification read_notification(const io::Statement& statement) {
  return {statement.text(0), statement.text(1), statement.text(2), statement.text(3),
          parse_attributes(statement.text(4))};
}

Result<void> add_delivery(io::Database& database, const std::string& notification, const Subscription& subscription,
                          std::int64_t published, std::int64_t now) {
  auto insert = SHOPLAKE_TRY(
      database.prepare("insert into deliveries (notification, subscription, state, attempts, interrupted, "
                       "published_at, next_at) values (?, ?, 'waiting', 0, 0, ?, ?) on conflict do nothing"));
  SHOPLAKE_TRY(insert.bind(1, notification).bind(2, subscription.name).bind(3, published).bind(4, now).run());
  return {};
}

}  // namespace

std::string_view name(DeliveryState state) {
  switch (state) {
    case DeliveryState::waiting: break;
    case DeliveryState::sending: return "sending";
    case DeliveryState::delivered: return "delivered";
    case DeliveryState::refused: return "refused";
    case DeliveryState::uncertain: return "uncertain";
  }
  return "waiting";
}

Result<std::unique_ptr<Outbox>> Outbox::open(const std::string& control_plane) {
  auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(prepare_topics(*database));
  return std::unique_ptr<Outbox>(new Outbox(std::move(database)));
}

Result<void> Outbox::recover(std::int64_t now_micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto count = SHOPLAKE_TRY(database_->prepare(
      "update deliveries set interrupted = interrupted + 1, state = 'waiting', next_at = ? where state = 'sending' and "
      "ended_at is null"));
  SHOPLAKE_TRY(count.bind(1, now_micros).run());
  auto end = SHOPLAKE_TRY(database_->prepare(
      "update deliveries set state = 'uncertain', ended_at = ?, last_error = 'cut off twice while it was being sent' "
      "where interrupted >= ? and ended_at is null"));
  SHOPLAKE_TRY(end.bind(1, now_micros).bind(2, kInterruptionsMax).run());
  return transaction.commit();
}

Result<std::int64_t> Outbox::route(std::span<const Subscription> subscriptions, std::int64_t now_micros) {
  {
    auto any = SHOPLAKE_TRY(database_->prepare("select 1 from notifications where is_routed = 0 limit 1"));
    if (!SHOPLAKE_TRY(any.step()))
      return std::int64_t{0};
  }
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  struct New {
    std::string id, topic;
    std::int64_t published = 0;
  };
  std::vector<New> all;
  {
    auto select =
        SHOPLAKE_TRY(database_->prepare("select id, topic, published_at from notifications where is_routed = 0"));
    while (SHOPLAKE_TRY(select.step()))
      all.push_back({select.text(0), select.text(1), select.integer(2)});
  }
  for (const New& one : all) {
    for (const Subscription& subscription : subscriptions) {
      if (subscription.topic == one.topic)
        SHOPLAKE_TRY(add_delivery(*database_, one.id, subscription, one.published, now_micros));
    }
  }
  SHOPLAKE_TRY(database_->execute("update notifications set is_routed = 1 where is_routed = 0"));
  SHOPLAKE_TRY(transaction.commit());
  return static_cast<std::int64_t>(all.size());
}

Result<std::optional<Delivery>> Outbox::take(std::int64_t now_micros, const std::set<std::string>& busy) {
  Delivery delivery;
  {
    auto select = SHOPLAKE_TRY(database_->prepare(
        "select n.id, n.topic, n.subject, n.message, n.attributes, d.subscription, d.attempts, d.published_at from "
        "deliveries d join notifications n on n.id = d.notification where d.ended_at is null and d.state = 'waiting' "
        "and d.next_at <= ? order by d.published_at, n.id"));
    select.bind(1, now_micros);
    bool found = false;
    while (!found && SHOPLAKE_TRY(select.step()))
      found = !busy.contains(select.text(5));
    if (!found)
      return std::optional<Delivery>();
    delivery.notification = read_notification(select);
    delivery.subscription = select.text(5);
    delivery.attempts = select.integer(6) + 1;
    delivery.published_micros = select.integer(7);
    delivery.state = DeliveryState::sending;
  }
  auto update = SHOPLAKE_TRY(database_->prepare(
      "update deliveries set state = 'sending', attempts = attempts + 1 where notification = ? and subscription = ?"));
  SHOPLAKE_TRY(update.bind(1, delivery.notification.id).bind(2, delivery.subscription).run());
  return std::optional(std::move(delivery));
}

Result<std::optional<std::int64_t>> Outbox::next_due() {
  auto select = SHOPLAKE_TRY(
      database_->prepare("select min(next_at) from deliveries where ended_at is null and state = 'waiting'"));
  SHOPLAKE_TRY(select.step());
  return select.optional_integer(0);
}

Result<void> Outbox::end(const Delivery& delivery, DeliveryState state, std::int64_t now_micros,
                         const std::string& error) {
  auto update = SHOPLAKE_TRY(database_->prepare(
      "update deliveries set state = ?, ended_at = ?, last_error = ? where notification = ? and subscription = ?"));
  update.bind(1, name(state)).bind(2, now_micros);
  error.empty() ? update.bind_null(3) : update.bind(3, error.substr(0, kErrorBytesMax));
  SHOPLAKE_TRY(update.bind(4, delivery.notification.id).bind(5, delivery.subscription).run());
  return {};
}

Result<void> Outbox::delivered(const Delivery& delivery, std::int64_t now_micros) {
  return end(delivery, DeliveryState::delivered, now_micros, {});
}

Result<void> Outbox::give_up(const Delivery& delivery, std::int64_t now_micros, const std::string& error) {
  return end(delivery, DeliveryState::refused, now_micros, error);
}

Result<void> Outbox::try_again(const Delivery& delivery, std::int64_t next_micros, const std::string& error) {
  auto update =
      SHOPLAKE_TRY(database_->prepare("update deliveries set state = 'waiting', next_at = ?, last_error = ? where "
                                      "notification = ? and subscription = ?"));
  SHOPLAKE_TRY(update.bind(1, next_micros)
                   .bind(2, error.substr(0, kErrorBytesMax))
                   .bind(3, delivery.notification.id)
                   .bind(4, delivery.subscription)
                   .run());
  return {};
}

Result<std::vector<PublishedNotification>> Outbox::history(const std::string& topic, std::int64_t rows_max) {
  std::vector<PublishedNotification> all;
  auto select = SHOPLAKE_TRY(
      database_->prepare("select id, topic, subject, message, attributes, published_at, is_routed from notifications "
                         "where ?1 = '' or topic = ?1 order by published_at desc, id desc limit ?2"));
  select.bind(1, topic).bind(2, rows_max);
  while (SHOPLAKE_TRY(select.step()))
    all.push_back({read_notification(select), select.integer(5), select.integer(6) != 0, {}});
  auto deliveries = SHOPLAKE_TRY(database_->prepare(
      "select subscription, state, attempts, published_at, next_at, ended_at, last_error from deliveries where "
      "notification = ? order by subscription"));
  for (PublishedNotification& one : all) {
    deliveries.reset();
    deliveries.bind(1, one.notification.id);
    while (SHOPLAKE_TRY(deliveries.step())) {
      one.deliveries.push_back({{},
                                deliveries.text(0),
                                state_of(deliveries.text(1)),
                                deliveries.integer(2),
                                deliveries.integer(3),
                                deliveries.integer(4),
                                deliveries.optional_integer(5),
                                deliveries.text(6)});
    }
  }
  return all;
}

Result<SubscriptionStatus> Outbox::status(const std::string& topic, const std::string& subscription) {
  auto select = SHOPLAKE_TRY(database_->prepare(
      "select sum(d.state = 'delivered'), sum(d.ended_at is null), sum(d.state in ('refused', 'uncertain')), max(case "
      "when d.state = 'delivered' then d.ended_at end), max(case when d.ended_at is null then d.last_error end) from "
      "deliveries d join notifications n on n.id = d.notification where n.topic = ? and d.subscription = ?"));
  select.bind(1, topic).bind(2, subscription);
  SHOPLAKE_TRY(select.step());
  return SubscriptionStatus{select.integer(0), select.integer(1), select.integer(2), select.optional_integer(3),
                            select.text(4)};
}

Result<std::int64_t> Outbox::forget_before(std::int64_t micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto deliveries = SHOPLAKE_TRY(database_->prepare("delete from deliveries where published_at < ?"));
  SHOPLAKE_TRY(deliveries.bind(1, micros).run());
  auto notifications = SHOPLAKE_TRY(database_->prepare("delete from notifications where published_at < ?"));
  const std::int64_t removed = SHOPLAKE_TRY(notifications.bind(1, micros).run());
  SHOPLAKE_TRY(transaction.commit());
  return removed;
}

}  // namespace shoplake::watch
