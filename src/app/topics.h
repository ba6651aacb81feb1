// `shoplake topic`: topics, their subscriptions and what was published to them.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/metrics.h"
#include "base/result.h"
#include "watch/dispatcher.h"
#include "watch/outbox.h"

namespace shoplake::app {

// A dispatcher with what it needs.
class Notifier {
 public:
  Notifier(App& app, base::Metrics* metrics);
  ~Notifier();
  watch::Dispatcher& dispatcher() { return *dispatcher_; }

 private:
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<watch::Sender> sender_;
  std::unique_ptr<watch::Dispatcher> dispatcher_;
};

struct TopicView {
  std::string name;
  struct Subscription {
    watch::Subscription subscription;
    watch::SubscriptionStatus status;
  };
  std::vector<Subscription> subscriptions;
};
// The standard topics and those that have subscriptions, by name.
base::Result<std::vector<TopicView>> list_topics(App& app);

// `id` empty: a new one. Returns the id.
struct PublishedTo {
  std::string id;
  bool is_new = true;
};
base::Result<PublishedTo> publish_notification(App& app, watch::Notification notification);

base::Result<std::vector<watch::PublishedNotification>> topic_history(App& app, const std::string& topic,
                                                                      std::int64_t rows_max);

// Delivers what is due, now. Error watch.delivered_elsewhere (conflict): a server of this home does it.
base::Result<watch::Dispatcher::Report> deliver_notifications(App& app, const std::stop_token& stop);

}  // namespace shoplake::app
