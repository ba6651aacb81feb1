#include "app/tasks/sns_task.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "app/tasks/outcome.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

Result<Message> message_of(const flow::TaskCall& call) {
  Message message;
  message.id = call_uuid(call);
  message.topic = last_of_arn(SHOPLAKE_TRY(needed_parameter(*call.input, "TopicArn")));
  // A message without a subject is that of its flow.
  message.subject = SHOPLAKE_TRY(text_parameter(*call.input, "Subject")).value_or(call.flow);
  const auto body = call.input->find("Message");
  if (body == call.input->end() || body->is_null())
    return base::make_error(base::ErrorKind::usage, "task.parameters", "the parameter Message is missing");
  message.body = body->is_string() ? body->get<std::string>() : flow::compact(*body);
  message.attributes = {{"flow", call.flow}, {"execution", call.execution}};
  if (const auto attributes = call.input->find("MessageAttributes");
      attributes != call.input->end() && attributes->is_object()) {
    for (const auto& [name, attribute] : attributes->items())
      message.attributes[name] = SHOPLAKE_TRY(needed_parameter(attribute, "StringValue"));
  }
  return message;
}

}  // namespace

flow::TaskOutcome SnsPublishTask::run(const flow::TaskCall& call) {
  const auto message = message_of(call);
  if (!message.ok())
    return task_failed("SNS.InvalidParameterException", message.error().message);
  if (const Result<void> published = publisher_.publish(*message); !published.ok()) {
    return task_failed(is_transient(published.error()) ? "SNS.InternalErrorException" : "SNS.InvalidParameterException",
                       base::to_string(published.error()));
  }
  Json output{{"MessageId", message->id}};
  add_response_metadata(output, call);
  return task_succeeded(std::move(output));
}

}  // namespace shoplake::app
