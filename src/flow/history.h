// The documents of history events, in the shape of GetExecutionHistory: {"id", "previousEventId", "type",
// "<what>EventDetails": {…}}. Pure functions.
// Source: the Step Functions API reference, HistoryEvent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flow/definition.h"
#include "flow/json.h"

namespace shoplake::flow {

// What kind of work a Resource is, and how its events are called.
struct ResourceName {
  bool is_function = false;  // arn:aws:lambda:…: events LambdaFunction…; else Task…
  std::string type;          // "lambda", "glue", "aws-sdk:glue"
  std::string action;        // "invoke", "startJobRun.sync"
};
// "arn:aws:states:::glue:startJobRun.sync", "arn:aws:lambda:eu-central-1:111111111111:function:name".
ResourceName parse_resource(std::string_view resource);

Json event_document(std::int64_t id, std::int64_t previous, std::string type);
// Members {"input", "inputDetails"} or {"output", "outputDetails"}.
Json with_payload(Json details, std::string_view field, const Json& payload);
Json failure_details(const std::optional<std::string>& error, const std::optional<std::string>& cause);

}  // namespace shoplake::flow
