// What is wrong with a definition, and where: data-driven.
#include "flow/definition.h"

#include <gtest/gtest.h>

namespace shoplake::flow {
namespace {

struct Case {
  const char* name;
  const char* definition;
  const char* path;     // of the first finding; null: there is none
  const char* message;  // a part of it
};

constexpr Case kCases[] = {
    {"fine", R"({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})", nullptr, nullptr},
    {"no JSON", "{\"StartAt\": \"A\",\n  \"States\": }", "$", "line 2, column 13"},
    {"no object", "[]", "$", "an object with StartAt and States"},
    {"no start", R"({"States": {"A": {"Type": "Succeed"}}})", "$.StartAt", "missing"},
    {"start nowhere", R"({"StartAt": "B", "States": {"A": {"Type": "Succeed"}}})", "$.StartAt", "there is no state B"},
    {"next nowhere", R"({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})", "$.States.A.Next",
     "there is no state B"},
    {"no type", R"({"StartAt": "A", "States": {"A": {"End": true}}})", "$.States.A.Type", "missing"},
    {"unknown type", R"({"StartAt": "A", "States": {"A": {"Type": "Pause", "End": true}}})", "$.States.A.Type",
     "no state type Pause"},
    {"neither next nor end", R"({"StartAt": "A", "States": {"A": {"Type": "Pass"}}})", "$.States.A",
     "neither Next nor End"},
    {"both next and end", R"({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A", "End": true}}})",
     "$.States.A", "both Next and End"},
    {"unknown field", R"({"StartAt": "A", "States": {"A": {"Type": "Succeed", "Next": "A"}}})", "$.States.A.Next",
     "no place here"},
    {"not reached", R"({"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}})", "$.States.B",
     "no transition"},
    {"no end", R"({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}})", "$.States", "no state ends"},
    {"bad path", R"({"StartAt": "A", "States": {"A": {"Type": "Pass", "InputPath": "$.a[", "End": true}}})",
     "$.States.A.InputPath", "wrong at character"},
    {"result path of many",
     R"({"StartAt": "A", "States": {"A": {"Type": "Pass", "ResultPath": "$.a[*]", "End": true}}})",
     "$.States.A.ResultPath", "reference path"},
    {"bad function",
     R"j({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"x.$": "States.Nothing()"}, "End": true}}})j",
     "$.States.A.Parameters", "no function States.Nothing"},
    {"wrong number of arguments",
     R"j({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"x.$": "States.UUID(1)"}, "End": true}}})j",
     "$.States.A.Parameters", "does not take 1 arguments"},
    {"no resource", R"({"StartAt": "A", "States": {"A": {"Type": "Task", "End": true}}})", "$.States.A.Resource",
     "missing"},
    {"no ARN", R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "load", "End": true}}})",
     "$.States.A.Resource", "it is no ARN"},
    {"all not last", R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:r", "End": true,
       "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]}}})",
     "$.States.A.Retry[0].ErrorEquals", "last entry only"},
    {"catch nowhere",
     R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:r", "End": true, "Catch": [{"ErrorEquals": ["E"], "Next": "B"}]}}})",
     "$.States.A.Catch[0].Next", "there is no state B"},
    {"backoff",
     R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:r", "End": true, "Retry": [{"ErrorEquals": ["E"], "BackoffRate": 0.5}]}}})",
     "$.States.A.Retry[0].BackoffRate", "at least 1"},
    {"heartbeat",
     R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:r", "End": true, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}}})",
     "$.States.A.HeartbeatSeconds", "not below"},
    {"empty choices",
     R"({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [], "Default": "B"}, "B": {"Type": "Succeed"}}})",
     "$.States.A.Choices", "no rule"},
    {"unknown comparison",
     R"({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "StringLike": "a", "Next": "B"}]}, "B": {"Type": "Succeed"}}})",
     "$.States.A.Choices[0]", "no comparison StringLike"},
    {"comparison of the wrong type",
     R"({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": "1", "Next": "B"}]}, "B": {"Type": "Succeed"}}})",
     "$.States.A.Choices[0]", "takes a number"},
    {"wait twice",
     R"({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": true}}})",
     "$.States.A", "one of Seconds"},
    {"wait until when", R"({"StartAt": "A", "States": {"A": {"Type": "Wait", "Timestamp": "tomorrow", "End": true}}})",
     "$.States.A.Timestamp", "no time like"},
    {"JSONata", R"({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}})",
     "$.QueryLanguage", "not supported"},
    {"distributed map",
     R"({"StartAt": "A", "States": {"A": {"Type": "Map", "End": true, "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"},
       "StartAt": "B", "States": {"B": {"Type": "Succeed"}}}}}})",
     "$.States.A.ItemProcessor.ProcessorConfig.Mode", "only INLINE"},
    {"inside a branch",
     R"({"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Pass"}}}]}}})",
     "$.States.A.Branches[0].States.B", "neither Next nor End"},
    {"the same name twice",
     R"({"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}]}}})",
     "$.States.A.Branches[0].States.A", "the same name"},
};

TEST(DefinitionTest, SaysWhatIsWrongAndWhere) {
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.name);
    const CheckedDefinition checked = check_definition_text(each.definition);
    if (each.path == nullptr) {
      EXPECT_NE(checked.machine, nullptr);
      continue;
    }
    EXPECT_EQ(checked.machine, nullptr);
    ASSERT_FALSE(checked.findings.empty());
    EXPECT_EQ(checked.findings[0].path, each.path);
    EXPECT_NE(checked.findings[0].message.find(each.message), std::string::npos) << checked.findings[0].message;
  }
}

}  // namespace
}  // namespace shoplake::flow
