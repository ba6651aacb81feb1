// What AWS Step Functions answered to given machines and inputs (recordings in ../shared/data/asl, see SOURCES.md
// there): output, status, error, cause and the chain of events are the same here. Left out: *_jsonata (another query
// language), test_event_bridge_events_base (the records of a service around it). Values that the recordings hide
// ("<…>", random numbers, times) are compared as far as they are known.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "flow/execution.h"
#include "io/memory_env.h"

namespace shoplake::flow {
namespace {

namespace fs = std::filesystem;

fs::path recordings() {
  const char* given = std::getenv("SHOPLAKE_TEST_DATA");
  return fs::path(given != nullptr ? given : "../shared/data") / "asl";
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The templates are JSON5 in one way only: commas before a closing bracket.
std::string template_text(const std::string& path) {
  return std::regex_replace(read(recordings() / "templates" / (path + ".json5")), std::regex(R"(,(\s*[}\]]))"), "$1");
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

constexpr std::int64_t kNow = 1'795'262'400'000'000;  // 2026-11-21T12:00:00Z

struct Ran {
  ExecutionStatus status;
  Json output;
  StateFailure failure;
  std::vector<Json> events;
};

Ran run(const std::string& definition, const Json& input) {
  io::MemoryEnv env(kNow);
  auto machine = parse_definition(definition);
  EXPECT_TRUE(machine.ok()) << (machine.ok() ? "" : to_string(machine.error())) << "\n" << definition;
  if (!machine.ok())
    return {ExecutionStatus::failed, nullptr, {}, {}};
  Execution execution(std::move(machine).value(),
                      {.id = "arn:<partition>:states:<region>:111111111111:execution:<ArnPart_0idx>:<ExecArnPart_0idx>",
                       .name = "<ExecArnPart_0idx>",
                       .machine_id = "arn:<partition>:states:<region>:111111111111:stateMachine:<ArnPart_0idx>",
                       .machine_name = "<ArnPart_0idx>",
                       .role = "snf_role_arn",
                       .started_micros = kNow},
                      input, env);
  execution.advance();
  while (execution.status() == ExecutionStatus::running && execution.wakes_at_micros() &&
         *execution.wakes_at_micros() < kNow + 3'600'000'000) {
    env.advance(*execution.wakes_at_micros() - env.now_micros());
    execution.advance();
  }
  Ran ran{execution.status(),
          execution.status() == ExecutionStatus::succeeded ? execution.output() : Json(),
          execution.failure(),
          {}};
  for (const HistoryEvent& event : execution.take_changes().events)
    ran.events.push_back(*event.document);
  return ran;
}

// Equal, where a recorded "<timestamp>", "start-time" or the like stands for anything.
bool agrees(const Json& recorded, const Json& ours) {
  if (recorded.is_string()) {
    static const std::set<std::string> kHidden = {"<timestamp>",           "start-time",     "entered-time",
                                                  "RandomNumberGenerated", "generated-uuid", "<ArnPart_0idx>",
                                                  "<ExecArnPart_0idx>"};
    if (kHidden.contains(recorded.get<std::string>()))
      return true;
  }
  if (recorded.is_object() && ours.is_object()) {
    return recorded.size() == ours.size() && std::ranges::all_of(recorded.items(), [&](const auto& member) {
             return ours.contains(member.key()) && agrees(member.value(), ours[member.key()]);
           });
  }
  if (recorded.is_array() && ours.is_array())
    return std::equal(recorded.begin(), recorded.end(), ours.begin(), ours.end(), agrees);
  return equal(recorded, ours);
}

void expect_history(const Json& recorded, const std::string& definition, const std::string& times = {}) {
  Json input = recorded["events"][0]["executionStartedEventDetails"]["input"];
  if (!times.empty())
    input = Json::parse(replaced(input.dump(), "<timestamp>", times));
  const Ran ran = run(definition, input);
  ASSERT_EQ(ran.events.size(), recorded["events"].size()) << Json(ran.events).dump(1);
  for (std::size_t i = 0; i < ran.events.size(); ++i) {
    Json theirs = recorded["events"][i];
    theirs.erase("timestamp");
    Json ours =
        Json::parse(times.empty() ? ran.events[i].dump() : replaced(ran.events[i].dump(), times, "<timestamp>"));
    EXPECT_TRUE(agrees(theirs, ours)) << "recorded " << theirs.dump() << "\nours     " << ours.dump();
  }
}

class ConformanceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(recordings()))
      GTEST_SKIP() << "no recordings below " << recordings() << " (SHOPLAKE_TEST_DATA)";
  }
  static Json records(const std::string& name) {
    return Json::parse(read(recordings() / "snapshots" / (name + ".snapshot.json")));
  }
  static std::string test_name(const std::string& key) { return key.substr(key.rfind("::") + 2); }
};

TEST_F(ConformanceTest, IntrinsicFunctions) {
  const std::map<std::string, std::map<std::string, std::string>> templates = {
      {"test_array",
       {{"test_array_get_item", "array/array_get_item"},
        {"test_array_length", "array/array_length"},
        {"test_array_unique", "array/array_length"},  // as its recording shows, it was made with this machine
        {"test_array_0", "array/array_0"},
        {"test_array_2", "array/array_2"},
        {"test_array_partition", "array/array_partition"},
        {"test_array_contains", "array/array_contains"},
        {"test_array_range", "array/array_range"}}},
      {"test_encode_decode",
       {{"test_base_64_encode", "encode_decode/base64encode"}, {"test_base_64_decode", "encode_decode/base64decode"}}},
      {"test_generic",
       {{"test_format_1", "generic/format_1"},
        {"test_format_2", "generic/format_2"},
        {"test_context_json_path", "generic/format_context_path"},
        {"test_nested_calls_1", "generic/nested_calls_1"},
        {"test_nested_calls_2", "generic/nested_calls_2"},
        {"test_escape_sequence", "generic/escape_sequence"}}},
      {"test_hash_calculations", {{"test_hash", "hash_calculations/hash"}}},
      {"test_json_manipulation",
       {{"test_string_to_json", "json_manipulation/string_to_json"},
        {"test_json_to_string", "json_manipulation/json_to_string"},
        {"test_json_merge", "json_manipulation/json_merge"},
        {"test_json_merge_escaped_argument", "json_manipulation/json_merge_escaped_argument"}}},
      {"test_math_operations",
       {{"test_math_random", "math_operations/math_random"},
        {"test_math_random_seeded", "math_operations/math_random_seeded"},
        {"test_math_add", "math_operations/math_add"}}},
      {"test_string_operations",
       {{"test_string_split", "string_operations/string_split"},
        {"test_string_split_context_object", "string_operations/string_split_context_object"}}},
      {"test_unique_id_generation", {{"test_uuid", "unique_id_generation/uuid"}}},
  };
  int compared = 0;
  for (const auto& [file, machines] : templates) {
    const Json recorded_tests = records(file);
    for (const auto& [key, record] : recorded_tests.items()) {
      SCOPED_TRACE(key);
      const std::string definition = template_text("intrinsicfunctions/statemachines/" + machines.at(test_name(key)));
      for (const auto& [name, history] : record["recorded-content"].items()) {
        SCOPED_TRACE(name);
        expect_history(history, definition);
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 115);
}

TEST_F(ConformanceTest, Choices) {
  const std::string machine = template_text("choiceoperators/statemachines/template");
  int compared = 0;
  for (const char* file : {"test_boolean_equals", "test_is_operators", "test_numeric", "test_string_operators"}) {
    const Json recorded_tests = records(file);
    for (const auto& [key, record] : recorded_tests.items()) {
      // test_string_greater_than_equals_path → StringGreaterThanEqualsPath
      std::string operation;
      const std::string test = test_name(key).substr(4);
      for (std::size_t i = 0; i < test.size(); ++i) {
        if (test[i] == '_')
          operation += static_cast<char>(std::toupper(test[++i]));
        else
          operation += test[i];
      }
      for (const auto& recorded : record["recorded-content"]["cases"]) {
        SCOPED_TRACE(key + " " + recorded.dump());
        const std::string value = operation.ends_with("Path") ? "\"$.Value\"" : recorded["input"]["Value"].dump();
        const Ran ran = run(replaced(replaced(machine, "%ComparisonOperatorType%", operation), "\"$.Value\"", value),
                            recorded["input"]);
        EXPECT_TRUE(agrees(recorded["output"], ran.output)) << ran.output.dump();
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 300);
}

// The recordings of timestamp operators hide their times, so these cases stand in for them.
TEST_F(ConformanceTest, TimestampChoices) {
  const std::string machine = template_text("choiceoperators/statemachines/template");
  struct Case {
    const char* operation;
    const char* left;
    const char* right;
    bool holds;
  };
  constexpr const char* kEarly = "2026-11-21T11:00:00Z";
  constexpr const char* kSame = "2026-11-21T12:00:00+01:00";
  constexpr const char* kLate = "2026-11-21T11:00:00.001Z";
  for (const Case& each : std::initializer_list<Case>{{"TimestampEquals", kEarly, kSame, true},
                                                      {"TimestampEquals", kEarly, kLate, false},
                                                      {"TimestampLessThan", kEarly, kLate, true},
                                                      {"TimestampLessThan", kEarly, kSame, false},
                                                      {"TimestampLessThanEquals", kEarly, kSame, true},
                                                      {"TimestampGreaterThan", kLate, kEarly, true},
                                                      {"TimestampGreaterThanEquals", kSame, kEarly, true},
                                                      {"TimestampGreaterThanEquals", kEarly, kLate, false},
                                                      {"TimestampEquals", "yesterday", kEarly, false},
                                                      {"TimestampEquals", "2026-11-21 11:00:00Z", kEarly, false}}) {
    for (const char* suffix : {"", "Path"}) {
      const std::string operation = std::string(each.operation) + suffix;
      SCOPED_TRACE(operation + " " + each.left + " " + each.right);
      const std::string value = *suffix != '\0' ? "\"$.Value\"" : Json(each.right).dump();
      const Ran ran = run(replaced(replaced(machine, "%ComparisonOperatorType%", operation), "\"$.Value\"", value),
                          {{"Variable", each.left}, {"Value", each.right}});
      EXPECT_EQ(ran.output["TestResult.$"], each.holds ? "ConditionTrue" : "ConditionFalse");
    }
  }
}

TEST_F(ConformanceTest, States) {
  const std::map<std::string, std::string> machines = {
      {"test_state_fail", "raise_failure"},
      {"test_state_fail_path", "raise_failure_path"},
      {"test_state_fail_intrinsic", "raise_failure_path_intrinsic"},
      {"test_state_fail_empty", "raise_empty_failure"},
      {"test_state_pass_result", "pass_result"},
      {"test_decl_version_1_0", "decl_version_1_0"},
      {"test_query_context_object_values", "query_context_object_values"},
      {"test_state_pass_result_null_input_output_paths", "pass_result_null_input_output_paths"},
      {"test_state_pass_regex_json_path_base", "pass_result_regex_json_path_base"},
  };
  int compared = 0;
  const Json recorded_tests = records("test_base");
  for (const auto& [key, record] : recorded_tests.items()) {
    SCOPED_TRACE(key);
    const std::string test = test_name(key);
    if (test == "test_event_bridge_events_base")
      continue;
    std::string definition;
    if (const std::size_t bracket = test.find('['); bracket != std::string::npos) {
      const std::string path = test.substr(bracket + 1, test.size() - bracket - 2);
      definition = replaced(template_text("base/statemachines/json_path_array_access"), "$.items[0]", path);
    } else if (test == "test_state_pass_result_jsonpaths") {
      // Its machine is not among the templates; a Result is taken as it stands.
      definition = R"({"StartAt": "State_1", "States": {"State_1": {"Type": "Pass", "End": true,
        "Result": {"unsupported1.$": "$.jsonpath", "unsupported2.$": "$$"}}}})";
    } else {
      definition = template_text("base/statemachines/" + machines.at(test));
    }
    expect_history(record["recorded-content"]["get_execution_history"], definition);
    ++compared;
  }
  EXPECT_EQ(compared, 24);
}

TEST_F(ConformanceTest, Waits) {
  const std::map<std::string, std::string> times = {
      {"test_timestamp_too_far_in_future_boundary[24855]", "2094-12-08T12:00:00Z"},
      {"test_timestamp_too_far_in_future_boundary[24856]", "2094-12-09T15:14:08Z"},
      {"test_wait_timestamppath[Z]", "2026-11-21T12:00:05Z"},
      {"test_wait_timestamppath[.000000Z]", "2026-11-21T12:00:05.000000Z"},
      {"test_wait_timestamppath[.00Z]", "2026-11-21T12:00:05.00Z"},
      {"test_wait_timestamppath[]", "2026-11-21T12:00:05"},
      {"test_wait_timestamppath[.000000]", "2026-11-21T12:00:05.000000"},
  };
  const Json recorded_tests = records("test_wait");
  for (const auto& [key, record] : recorded_tests.items()) {
    SCOPED_TRACE(key);
    const bool of_seconds = test_name(key).starts_with("test_base_wait_seconds_path");
    expect_history(
        record["recorded-content"]["get_execution_history"],
        template_text(of_seconds ? "base/statemachines/wait_seconds_path" : "base/statemachines/wait_timestamp_path"),
        of_seconds ? "" : times.at(test_name(key)));
  }
}

TEST_F(ConformanceTest, EveryRecordingIsComparedOrLeftOutForAReason) {
  std::set<std::string> files;
  for (const auto& file : fs::directory_iterator(recordings() / "snapshots"))
    files.insert(replaced(file.path().filename().string(), ".snapshot.json", ""));
  const std::set<std::string> compared = {"test_array",
                                          "test_encode_decode",
                                          "test_generic",
                                          "test_base",
                                          "test_hash_calculations",
                                          "test_json_manipulation",
                                          "test_math_operations",
                                          "test_string_operations",
                                          "test_unique_id_generation",
                                          "test_boolean_equals",
                                          "test_is_operators",
                                          "test_numeric",
                                          "test_string_operators",
                                          "test_wait"};
  const std::set<std::string> left_out = {"test_array_jsonata",              // another query language
                                          "test_json_manipulation_jsonata",  // the same
                                          "test_math_operations_jsonata",    // the same
                                          "test_timestamp_operators"};       // hide what was compared: TimestampChoices
  std::set<std::string> all = compared;
  all.insert(left_out.begin(), left_out.end());
  EXPECT_EQ(files, all);
}

TEST_F(ConformanceTest, AMachineWithoutStatesIsRefused) {
  const CheckedDefinition checked = check_definition_text(template_text("base/statemachines/invalid_der"));
  EXPECT_EQ(checked.machine, nullptr);
  ASSERT_FALSE(checked.findings.empty());
  EXPECT_EQ(checked.findings.front().path, "$.States");
}

}  // namespace
}  // namespace shoplake::flow
