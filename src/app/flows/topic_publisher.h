// sns:publish into the topics of the control plane (watch/topics.h): durable when it returns, brought to the topic's
// subscriptions by whoever delivers. Thread safe.
#pragma once

#include <string>

#include "app/tasks/sns_task.h"
#include "io/env.h"

namespace shoplake::app {

class TopicPublisher : public Publisher {
 public:
  TopicPublisher(io::Env& env, std::string control_plane) : env_(env), control_plane_(std::move(control_plane)) {}
  base::Result<void> publish(const Message& message) override;

 private:
  io::Env& env_;
  std::string control_plane_;
};

}  // namespace shoplake::app
