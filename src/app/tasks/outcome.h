// What tasks of flows answer, in the shapes that AWS gives: outputs as Step Functions hands them on, errors by the
// names that a Retry or Catch of the same definition knows there. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/json.h"
#include "flow/task.h"

namespace shoplake::app {

flow::TaskOutcome task_succeeded(flow::Json output);
flow::TaskOutcome task_failed(std::string error, std::string cause);
// `cause` as compact JSON.
flow::TaskOutcome task_failed_with(std::string error, const flow::Json& cause);

// The end of an answer as an integration of Step Functions has it: SdkHttpMetadata, SdkResponseMetadata.
void add_response_metadata(flow::Json& output, const flow::TaskCall& call);

// A UUID that belongs to the call: the same again after a crash.
std::string call_uuid(const flow::TaskCall& call);

// A member of the input as text; no value if it is absent or null. Error task.parameters (usage): it is no text.
base::Result<std::optional<std::string>> text_parameter(const flow::Json& input, const char* name);
// The same of a member that must be there.
base::Result<std::string> needed_parameter(const flow::Json& input, const char* name);
// A list of texts, or one text; empty if it is absent.
base::Result<std::vector<std::string>> list_parameter(const flow::Json& input, const char* name);

// "quality.check_failed" → "QualityCheckFailed": how a function's error is called where functions raise exceptions.
std::string exception_name(std::string_view code);

// Whether the same work may go well when it is done again: peers, disks, somebody who was first.
bool is_transient(const base::Error& error);

// The last part of an ARN, or the name itself: "arn:aws:sns:eu-central-1:1:alerts" → "alerts".
std::string_view last_of_arn(std::string_view name);

}  // namespace shoplake::app
