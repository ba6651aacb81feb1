#include "app/topics.h"

#include <map>
#include <utility>

namespace shoplake::app {

using base::Result;

Notifier::Notifier(App& app, base::Metrics* metrics) : transport_(http::make_transport()) {
  const WatchSettings& settings = app.home().watch;
  sender_ = watch::make_sender({&app.env(), transport_.get(), settings.smtp});
  watch::DispatcherOptions options;
  options.env = &app.env();
  options.control_plane = app.home().control_plane;
  options.subscriptions = settings.subscriptions;
  options.sender = sender_.get();
  options.metrics = metrics;
  dispatcher_ = std::make_unique<watch::Dispatcher>(std::move(options));
}

Notifier::~Notifier() { dispatcher_->stop(); }

Result<std::vector<TopicView>> list_topics(App& app) {
  const auto outbox = SHOPLAKE_TRY(watch::Outbox::open(app.home().control_plane));
  std::map<std::string, TopicView> topics;
  for (const std::string_view name : {watch::kPipelineNotifications, watch::kDataQualityAlerts, watch::kCostAlerts})
    topics.emplace(name, TopicView{std::string(name), {}});
  for (const watch::Subscription& subscription : app.home().watch.subscriptions) {
    TopicView& topic = topics.try_emplace(subscription.topic, TopicView{subscription.topic, {}}).first->second;
    auto status = SHOPLAKE_TRY(outbox->status(topic.name, subscription.name));
    topic.subscriptions.push_back({subscription, std::move(status)});
  }
  std::vector<TopicView> views;
  for (auto& [name, topic] : topics)
    views.push_back(std::move(topic));
  return views;
}

Result<PublishedTo> publish_notification(App& app, watch::Notification notification) {
  notification.topic = SHOPLAKE_TRY(watch::topic_name(notification.topic));
  if (notification.id.empty())
    notification.id = app.env().new_uuid();
  const auto published = SHOPLAKE_TRY(watch::publish(app.home().control_plane, notification, app.env().now_micros()));
  return PublishedTo{notification.id, published.is_new};
}

Result<std::vector<watch::PublishedNotification>> topic_history(App& app, const std::string& topic,
                                                                std::int64_t rows_max) {
  const auto outbox = SHOPLAKE_TRY(watch::Outbox::open(app.home().control_plane));
  return outbox->history(topic, rows_max);
}

Result<watch::Dispatcher::Report> deliver_notifications(App& app, const std::stop_token& stop) {
  Notifier notifier(app, nullptr);
  auto report = notifier.dispatcher().run_once(stop);
  if (!report.ok() && report.error().code == "io.locked") {
    return base::make_error(base::ErrorKind::conflict, "watch.delivered_elsewhere",
                            "another process of this home delivers its notifications",
                            "A running `shoplake serve` does it by itself.");
  }
  return report;
}

}  // namespace shoplake::app
