// `sns:publish`: a notification to a topic.
//
//   Parameters {"TopicArn": "arn:aws:sns:eu-central-1:111111111111:pipeline-notifications", "Subject": …, "Message": …,
//               "MessageAttributes": {"flow": {"DataType": "String", "StringValue": "shop_batch"}}}
//   output     {"MessageId": …, "SdkHttpMetadata": …}
//
// A message that is no text is sent as JSON. The MessageId belongs to the start of the state: after a crash the same
// one is published again, and whoever keeps the topics knows it. Errors: SNS.InvalidParameterException,
// SNS.InternalErrorException (nothing was published; the next time may go well).
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "flow/task.h"

namespace shoplake::app {

struct Message {
  std::string id;
  std::string topic;
  std::string subject;
  std::string body;
  std::map<std::string, std::string> attributes;
};

// Who keeps the topics. A message of an id that was published before is not published again. Thread safe.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual base::Result<void> publish(const Message& message) = 0;
};

class SnsPublishTask : public flow::Task {
 public:
  explicit SnsPublishTask(Publisher& publisher) : publisher_(publisher) {}  // outlives it
  bool is_resumable() const override { return true; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  Publisher& publisher_;
};

}  // namespace shoplake::app
