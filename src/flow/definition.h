// A state machine in Amazon States Language, read and checked: what `shoplake flow validate` says and what the
// interpreter runs. JSONPath machines; QueryLanguage JSONata and Map in distributed mode are refused by name.
//
// A StateMachine is immutable and shared. Source: https://states-language.net/spec.html
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/choice.h"
#include "flow/intrinsic.h"
#include "flow/json.h"
#include "flow/json_path.h"
#include "flow/payload_template.h"

namespace shoplake::flow {

enum class StateType { pass, task, choice, wait, succeed, fail, parallel, map };
std::string_view name(StateType type);  // "Pass", …

// InputPath, OutputPath and ResultPath: a path, or null.
struct DataPath {
  std::optional<JsonPath> path;  // nothing: null was written
};

struct Retrier {
  std::vector<std::string> errors;
  std::int64_t interval_seconds = 1;
  std::int64_t attempts_max = 3;
  double backoff_rate = 2;
  std::optional<std::int64_t> delay_seconds_max;
  bool full_jitter = false;
};

struct Catcher {
  std::vector<std::string> errors;
  std::string next;
  std::optional<DataPath> result_path;  // absent: the error replaces the input
};

struct Choice {
  ChoiceRule rule;
  std::string next;
};

struct StateMachine;

struct State {
  std::string name;
  StateType type = StateType::pass;
  std::optional<std::string> next;  // absent: it ends

  std::optional<DataPath> input_path, output_path, result_path;
  std::optional<PayloadTemplate> parameters, result_selector;
  std::vector<Retrier> retriers;
  std::vector<Catcher> catchers;

  std::shared_ptr<const Json> result;  // Pass

  std::string resource;  // Task
  std::optional<std::int64_t> timeout_seconds, heartbeat_seconds;
  std::optional<JsonPath> timeout_path, heartbeat_path;

  std::vector<Choice> choices;  // Choice
  std::optional<std::string> default_next;

  std::optional<std::int64_t> wait_seconds, wait_until_micros;  // Wait: one of these four
  std::optional<JsonPath> seconds_path, timestamp_path;

  std::optional<std::string> error, cause;  // Fail
  std::optional<Expression> error_path, cause_path;

  std::vector<std::shared_ptr<const StateMachine>> branches;  // Parallel; the one item processor of Map
  std::optional<JsonPath> items_path;                         // Map
  std::optional<PayloadTemplate> item_selector;
  std::int64_t concurrency_max = 0;  // 0: all at once
  std::optional<JsonPath> concurrency_path;
};

struct StateMachine {
  std::string comment;
  std::string start_at;
  std::map<std::string, State, std::less<>> states;
  std::optional<std::int64_t> timeout_seconds;
};

// What is wrong with a definition, and where.
struct Finding {
  std::string path;  // "$.States.Load.Next"
  std::string message;
};

struct CheckedDefinition {
  std::shared_ptr<const StateMachine> machine;  // null if there are findings
  std::vector<Finding> findings;                // in the definition's order
};

// Never fails: what is wrong is a finding.
CheckedDefinition check_definition(const Json& document);
// The same from a file's text; JSON that is wrong is a finding with line and column.
CheckedDefinition check_definition_text(std::string_view text);

// One error of all findings: flow.bad_definition (kind usage).
base::Result<std::shared_ptr<const StateMachine>> parse_definition(std::string_view text);

}  // namespace shoplake::flow
