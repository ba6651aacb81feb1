#include "app/flows/topic_publisher.h"

#include "watch/topics.h"

namespace shoplake::app {

base::Result<void> TopicPublisher::publish(const Message& message) {
  watch::Notification notification;
  notification.id = message.id;
  notification.topic = message.topic;
  notification.subject = message.subject;
  notification.message = message.body;
  notification.attributes = message.attributes;
  SHOPLAKE_TRY(watch::publish(control_plane_, notification, env_.now_micros()));
  return {};
}

}  // namespace shoplake::app
