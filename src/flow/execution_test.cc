// Executions as values: retrying, catching, Parallel and Map, timeouts, limits, and going on from what was stored.
#include "flow/execution.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "io/memory_env.h"

namespace shoplake::flow {
namespace {

constexpr std::int64_t kStart = 1'795'262'400'000'000;  // 2026-11-21T12:00:00Z
constexpr std::int64_t kSecond = 1'000'000;

std::shared_ptr<const StateMachine> machine_of(std::string_view text) {
  auto machine = parse_definition(text);
  EXPECT_TRUE(machine.ok()) << (machine.ok() ? "" : to_string(machine.error()));
  return machine.ok() ? std::move(machine).value() : nullptr;
}

ExecutionFacts facts() {
  return {
      .id = "e", .name = "one", .machine_id = "m", .machine_name = "machine", .role = "role", .started_micros = kStart};
}

// Drives an execution and keeps what it would have made durable; crash() goes on from that alone.
class Driver {
 public:
  explicit Driver(std::string_view definition, Json input = Json::object())
      : machine_(machine_of(definition)), input_(std::move(input)), execution_(machine_, facts(), input_, env_) {
    settle();
  }

  Execution& operator*() { return execution_; }
  Execution* operator->() { return &execution_; }
  io::MemoryEnv& env() { return env_; }

  void settle() {
    execution_.advance();
    Changes changes = execution_.take_changes();
    for (HistoryEvent& event : changes.events)
      events.push_back(std::move(event));
    for (const std::int64_t id : changes.removed_branches)
      branches_.erase(id);
    for (StoredBranch& branch : changes.branches)
      branches_[branch.id] = std::move(branch.document);
    for (TaskStart& start : execution_.take_starts())
      starts.push_back(std::move(start));
    for (const auto& stop : execution_.take_stops())
      stops.push_back(stop);
  }
  void succeed(const Json& output) { finish(std::make_shared<const Json>(output)); }
  void fail(const std::string& error, const std::string& cause = "because") { finish(StateFailure{error, cause}); }
  void finish(TaskOutcome outcome) {
    ASSERT_FALSE(starts.empty());
    const TaskStart start = starts.front();
    starts.erase(starts.begin());
    execution_.finish_task(start.branch, start.attempt, std::move(outcome));
    settle();
  }
  void pass(std::int64_t micros) {
    env_.advance(micros);
    settle();
  }
  void crash() {
    std::vector<StoredBranch> branches;
    for (const auto& [id, document] : branches_)
      branches.push_back({id, document});
    auto restored =
        Execution::restore(machine_, facts(), input_, branches, events.empty() ? 0 : events.back().id, env_);
    ASSERT_TRUE(restored.ok()) << to_string(restored.error());
    execution_ = std::move(restored).value();
    starts.clear();
    settle();
  }
  std::vector<std::string> types() const {
    std::vector<std::string> types;
    for (const HistoryEvent& event : events)
      types.push_back((*event.document)["type"]);
    return types;
  }
  std::size_t stored_branches() const { return branches_.size(); }

  std::vector<HistoryEvent> events;
  std::vector<TaskStart> starts;
  std::vector<std::pair<std::int64_t, int>> stops;

 private:
  io::MemoryEnv env_{kStart};
  std::shared_ptr<const StateMachine> machine_;
  Json input_;
  std::map<std::int64_t, std::string> branches_;
  Execution execution_;
};

constexpr std::string_view kRetried = R"({"StartAt": "Load", "States": {
  "Load": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": {"day.$": "$.day"},
    "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 2},
              {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Tell"}],
    "ResultPath": "$.loaded", "End": true},
  "Tell": {"Type": "Pass", "End": true}}})";

TEST(ExecutionTest, ATaskIsTriedAgainAfterGrowingPauses) {
  Driver run(kRetried, {{"day", "2026-11-20"}});
  ASSERT_EQ(run.starts.size(), 1u);
  EXPECT_EQ(*run.starts[0].input, Json({{"day", "2026-11-20"}}));
  run.fail("Busy");
  EXPECT_TRUE(run.starts.empty());
  EXPECT_EQ(run->wakes_at_micros(), kStart + 2 * kSecond);
  run.pass(2 * kSecond - 1);
  EXPECT_TRUE(run.starts.empty());
  run.pass(1);
  ASSERT_EQ(run.starts.size(), 1u);
  EXPECT_EQ(run.starts[0].attempt, 2);
  run.fail("Busy");
  EXPECT_EQ(run->wakes_at_micros(), kStart + 8 * kSecond);
  run.pass(6 * kSecond);
  run.succeed(42);
  EXPECT_EQ(run->status(), ExecutionStatus::succeeded);
  EXPECT_TRUE(equal(run->output(), {{"day", "2026-11-20"}, {"loaded", 42}})) << run->output();
  EXPECT_EQ(run.stored_branches(), 0u);
  EXPECT_EQ(run.types(),
            (std::vector<std::string>{"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted",
                                      "TaskFailed", "TaskScheduled", "TaskStarted", "TaskFailed", "TaskScheduled",
                                      "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"}));
}

TEST(ExecutionTest, WhatIsNotRetriedAnyMoreIsCaught) {
  Driver run(kRetried, {{"day", 1}});
  run.fail("Other");
  run.pass(kSecond);
  run.fail("Other", "the disk");
  EXPECT_EQ(run->status(), ExecutionStatus::succeeded);
  EXPECT_TRUE(equal(run->output(), {{"day", 1}, {"error", {{"Error", "Other"}, {"Cause", "the disk"}}}}))
      << run->output();
}

TEST(ExecutionTest, RuntimeErrorsAreNeitherRetriedNorCaughtByAll) {
  Driver run(
      R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "InputPath": "$.missing",
    "Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}], "Next": "B"}, "B": {"Type": "Succeed"}}})");
  EXPECT_EQ(run->status(), ExecutionStatus::failed);
  EXPECT_EQ(run->failure().error, "States.Runtime");
  EXPECT_EQ(run->failure().cause,
            "An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$.missing': "
            "No results for path: $['missing']");
}

TEST(ExecutionTest, AFullJitterStaysWithinThePause) {
  const std::string text =
      R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
    "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 10, "MaxDelaySeconds": 15, "MaxAttempts": 50, "JitterStrategy": "FULL"}]}}})";
  Driver run(text);
  std::int64_t longest = 0;
  for (int i = 0; i < 50; ++i) {
    run.fail("E");
    const std::int64_t pause = *run->wakes_at_micros() - run.env().now_micros();
    EXPECT_LE(pause, (i == 0 ? 10 : 15) * kSecond);
    longest = std::max(longest, pause);
    run.pass(pause);
  }
  EXPECT_GT(longest, 5 * kSecond);
  run.fail("E");
  EXPECT_EQ(run->status(), ExecutionStatus::failed);
}

TEST(ExecutionTest, TimeoutsAndHeartbeats) {
  const std::string text =
      R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
    "TimeoutSeconds": 10, "HeartbeatSeconds": 4, "Retry": [{"ErrorEquals": ["States.HeartbeatTimeout"], "MaxAttempts": 1}]}}})";
  Driver run(text);
  run.pass(3 * kSecond);
  run->record_heartbeat(0, 1);
  run.pass(3 * kSecond);
  EXPECT_EQ(run.stops.size(), 0u);
  run.pass(kSecond);
  EXPECT_EQ(run.stops, (std::vector<std::pair<std::int64_t, int>>{{0, 1}}));
  run->finish_task(0, 1, std::make_shared<const Json>(1));  // too late
  run.pass(kSecond);
  EXPECT_EQ(run->status(), ExecutionStatus::running);
  ASSERT_EQ(run.starts.back().attempt, 2);
  for (int i = 0; i < 4; ++i) {
    run.pass(3 * kSecond);
    run->record_heartbeat(0, 2);
  }
  EXPECT_EQ(run->status(), ExecutionStatus::failed) << Json(run.types());
  EXPECT_EQ(run->failure().error, "States.Timeout");
}

TEST(ExecutionTest, AnExecutionEndsWithItsOwnTimeout) {
  Driver run(
      R"({"StartAt": "A", "TimeoutSeconds": 60, "States": {"A": {"Type": "Wait", "Seconds": 100, "End": true}}})");
  EXPECT_EQ(run->wakes_at_micros(), kStart + 60 * kSecond);
  run.pass(60 * kSecond);
  EXPECT_EQ(run->status(), ExecutionStatus::timed_out);
  EXPECT_EQ(run.types().back(), "ExecutionTimedOut");
}

constexpr std::string_view kParallel =
    R"({"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "ResultSelector": {"left.$": "$[0]", "right.$": "$[1]"},
  "Branches": [
    {"StartAt": "L", "States": {"L": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}},
    {"StartAt": "R", "States": {"R": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}],
  "Catch": [{"ErrorEquals": ["Broken"], "Next": "Sorry"}]}, "Sorry": {"Type": "Succeed"}}})";

TEST(ExecutionTest, BranchesRunBesideEachOther) {
  Driver run(kParallel, {{"x", 1}});
  ASSERT_EQ(run.starts.size(), 2u);
  std::swap(run.starts[0], run.starts[1]);
  run.succeed("from R");
  EXPECT_EQ(run->status(), ExecutionStatus::running);
  run.crash();
  ASSERT_EQ(run.starts.size(), 1u);
  EXPECT_EQ(run.starts[0].attempt, 1);  // the same work, not another start of it
  run.succeed("from L");
  EXPECT_TRUE(equal(run->output(), {{"left", "from L"}, {"right", "from R"}})) << run->output();
}

TEST(ExecutionTest, ABranchThatFailsStopsTheOthers) {
  Driver run(kParallel);
  const auto other = std::pair(run.starts[1].branch, run.starts[1].attempt);
  run.fail("Broken", "glass");
  EXPECT_EQ(run.stops, (std::vector<std::pair<std::int64_t, int>>{other}));
  EXPECT_EQ(run->status(), ExecutionStatus::succeeded);
  EXPECT_TRUE(equal(run->output(), {{"Error", "Broken"}, {"Cause", "glass"}}));
  EXPECT_EQ(run.stored_branches(), 0u);
}

constexpr std::string_view kMap =
    R"({"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$.days", "MaxConcurrency": 2, "End": true,
  "ItemSelector": {"day.$": "$$.Map.Item.Value", "number.$": "$$.Map.Item.Index", "shop.$": "$.shop"},
  "ItemProcessor": {"StartAt": "Load", "States": {"Load": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}}}})";

TEST(ExecutionTest, MapRunsSoManyItemsAtOnce) {
  Driver run(kMap, {{"shop", "s"}, {"days", {"a", "b", "c"}}});
  ASSERT_EQ(run.starts.size(), 2u);
  EXPECT_TRUE(equal(*run.starts[1].input, {{"day", "b"}, {"number", 1}, {"shop", "s"}})) << *run.starts[1].input;
  std::swap(run.starts[0], run.starts[1]);
  run.succeed("B");
  ASSERT_EQ(run.starts.size(), 2u);
  run.crash();
  ASSERT_EQ(run.starts.size(), 2u);
  EXPECT_EQ((*run.starts[0].input)["day"], "a");
  EXPECT_EQ((*run.starts[1].input)["day"], "c");
  run.succeed("A");
  run.succeed("C");
  EXPECT_TRUE(equal(run->output(), {"A", "B", "C"})) << run->output();
}

TEST(ExecutionTest, MapOfNothingIsAnEmptyList) {
  Driver run(kMap, {{"shop", "s"}, {"days", Json::array()}});
  EXPECT_EQ(run->output(), Json::array());
  Driver wrong(kMap, {{"shop", "s"}, {"days", 7}});
  EXPECT_EQ(wrong->failure().error, "States.Runtime");
}

TEST(ExecutionTest, AbortStopsWhatRuns) {
  Driver run(kParallel);
  run->abort({"Stopped", "by hand"});
  run.settle();
  EXPECT_EQ(run->status(), ExecutionStatus::aborted);
  EXPECT_EQ(run.stops.size(), 2u);
  EXPECT_EQ(run.types().back(), "ExecutionAborted");
  EXPECT_EQ(run.stored_branches(), 0u);
}

TEST(ExecutionTest, AnOutputThatIsTooLargeFails) {
  Driver run(kRetried, {{"day", 1}});
  run.succeed(std::string(kPayloadBytesMax, 'x'));
  EXPECT_EQ(run->failure().error, "States.DataLimitExceeded");
}

TEST(ExecutionTest, AnEndlessMachineIsStoppedByItsHistory) {
  Driver run(
      R"({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Variable": "$.on", "BooleanEquals": true, "Next": "B"}], "Default": "C"},
    "B": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Succeed"}}})",
      {{"on", true}});
  while (run->status() == ExecutionStatus::running)
    run.settle();
  EXPECT_EQ(run->failure().error, "States.Runtime");
}

// Whatever the moment of the crash, the events and the outcome are those of an undisturbed run.
TEST(ExecutionTest, ACrashAtAnyMomentChangesNothing) {
  const Json input = {{"shop", "s"}, {"days", {"a", "b", "c", "d"}}};
  const auto run_with_crash = [&](int at) {
    Driver run(kMap, input);
    int step = 0;
    while (run->status() == ExecutionStatus::running) {
      if (step++ == at)
        run.crash();
      run.succeed(run.starts.front().input->at("day"));
    }
    Json all = run->output();
    for (const std::string& type : run.types())
      all.push_back(type);
    return all;
  };
  const Json undisturbed = run_with_crash(-1);
  for (int at = 0; at < 4; ++at)
    EXPECT_EQ(run_with_crash(at), undisturbed) << at;
}

}  // namespace
}  // namespace shoplake::flow
