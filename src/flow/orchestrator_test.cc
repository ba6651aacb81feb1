// Executions in the control plane, run by threads: durable, resumed, stopped, many at once.
#include "flow/orchestrator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace shoplake::flow {
namespace {

class Function : public Task {
 public:
  explicit Function(std::function<TaskOutcome(const TaskCall&)> body, bool is_resumable = true)
      : body_(std::move(body)), is_resumable_(is_resumable) {}
  bool is_resumable() const override { return is_resumable_; }
  TaskOutcome run(const TaskCall& call) override { return body_(call); }

 private:
  std::function<TaskOutcome(const TaskCall&)> body_;
  bool is_resumable_;
};

TaskOutcome done(Json value) { return std::make_shared<const Json>(std::move(value)); }

class OrchestratorTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("shoplake_flow_" + io::posix_env().new_uuid());
    std::filesystem::create_directories(folder_);
    options_ = {.env = &io::posix_env(),
                .control_plane = (folder_ / "state.sqlite").string(),
                .tasks = &tasks_,
                .tasks_at_once = 8,
                .executions_at_once = {},
                .on_end = {}};
    auto store = Store::open(options_.control_plane);
    ASSERT_TRUE(store.ok()) << base::to_string(store.error());
    store_ = std::move(store).value();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Orchestrator> running() {
    auto orchestrator = Orchestrator::open(options_);
    EXPECT_TRUE(orchestrator.ok());
    (*orchestrator)->start();
    return std::move(orchestrator).value();
  }
  Started begin(const std::string& name, const std::string& definition, Json input = Json::object()) {
    auto started = start_execution(
        *store_, io::posix_env(),
        {.flow = "f", .name = name, .definition = definition, .input = compact(input), .started_by = "test"});
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : base::to_string(started.error()));
    return started.ok() ? *started : Started{};
  }
  static ExecutionRow end_of(Orchestrator& orchestrator, const std::string& name) {
    auto row = orchestrator.wait("f", name, {});
    EXPECT_TRUE(row.ok() && *row);
    return row.ok() && *row ? **row : ExecutionRow{};
  }

  std::filesystem::path folder_;
  TaskRegistry tasks_;
  OrchestratorOptions options_;
  std::unique_ptr<Store> store_;
};

constexpr const char* kOneTask =
    R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}})";

TEST_F(OrchestratorTest, RunsWhatIsStarted) {
  tasks_.add("arn:aws:states:::lambda:invoke",
             std::make_shared<Function>([](const TaskCall& call) { return done((*call.input)["x"].get<int>() + 1); }));
  const auto orchestrator = running();
  EXPECT_TRUE(begin("one", kOneTask, {{"x", 1}}).is_new);
  EXPECT_FALSE(begin("one", kOneTask, {{"x", 1}}).is_new);
  const auto other =
      start_execution(*store_, io::posix_env(),
                      {.flow = "f", .name = "one", .definition = kOneTask, .input = "7", .started_by = "test"});
  EXPECT_EQ(other.error().code, "flow.execution_exists");
  const ExecutionRow row = end_of(*orchestrator, "one");
  EXPECT_EQ(row.status, ExecutionStatus::succeeded);
  EXPECT_EQ(row.output, "2");
  const auto history = store_->history(row.id, 0, 100);
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->size(), 7u);
  EXPECT_EQ(history->back()["type"], "ExecutionSucceeded");
}

TEST_F(OrchestratorTest, AnUnknownResourceFailsItsState) {
  const auto orchestrator = running();
  begin("one", kOneTask);
  const ExecutionRow row = end_of(*orchestrator, "one");
  EXPECT_EQ(row.status, ExecutionStatus::failed);
  EXPECT_EQ(row.error, "States.TaskFailed");
}

// A task that never ends stands for a process that dies in it: what a second orchestrator finds is what a crash leaves.
TEST_F(OrchestratorTest, GoesOnWhereItWas) {
  std::atomic<int> begun = 0, resumed = 0;
  tasks_.add("arn:aws:states:::lambda:invoke", std::make_shared<Function>([&](const TaskCall& call) -> TaskOutcome {
               ++begun;
               if (call.is_resumed) {
                 ++resumed;
                 return done(call.id);
               }
               while (!call.stop.stop_requested())
                 std::this_thread::yield();
               return StateFailure{"Stopped", "stopped"};
             }));
  {
    const auto orchestrator = running();
    begin("one", kOneTask);
    while (begun == 0)
      std::this_thread::yield();
  }
  const auto orchestrator = running();
  const ExecutionRow row = end_of(*orchestrator, "one");
  EXPECT_EQ(row.status, ExecutionStatus::succeeded) << row.error.value_or("") << row.cause.value_or("");
  EXPECT_EQ(row.output, "\"f/one/0/1\"");
  EXPECT_EQ(resumed, 1);
}

TEST_F(OrchestratorTest, WorkThatCannotBeDoneTwiceFailsAfterACrash) {
  std::atomic<int> begun = 0;
  tasks_.add("arn:aws:states:::lambda:invoke", std::make_shared<Function>(
                                                   [&](const TaskCall& call) -> TaskOutcome {
                                                     ++begun;
                                                     while (!call.stop.stop_requested())
                                                       std::this_thread::yield();
                                                     return StateFailure{"Stopped", "stopped"};
                                                   },
                                                   false));
  {
    const auto orchestrator = running();
    begin("one", kOneTask);
    while (begun == 0)
      std::this_thread::yield();
  }
  const auto orchestrator = running();
  const ExecutionRow row = end_of(*orchestrator, "one");
  EXPECT_EQ(row.error, "States.TaskFailed");
  EXPECT_EQ(begun, 1);
}

TEST_F(OrchestratorTest, IsStoppedByRequest) {
  const auto orchestrator = running();
  const Started started =
      begin("one", R"({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": true}}})");
  ASSERT_TRUE(store_->request_stop(started.id, {"Stopped", "by hand"}).ok());
  const ExecutionRow row = end_of(*orchestrator, "one");
  EXPECT_EQ(row.status, ExecutionStatus::aborted);
  EXPECT_EQ(row.cause, "by hand");
}

TEST_F(OrchestratorTest, AFlowHasAsManyExecutionsAtOnceAsItsLimitSays) {
  std::atomic<int> now = 0, most = 0;
  tasks_.add("arn:aws:*", std::make_shared<Function>([&](const TaskCall& call) {
               const int count = ++now;
               for (int seen = most; count > seen && !most.compare_exchange_weak(seen, count);) {
               }
               for (int i = 0; i < 100; ++i)
                 std::this_thread::yield();
               --now;
               return done(*call.input);
             }));
  options_.executions_at_once = [](const std::string& flow) { return flow == "f" ? 2 : 0; };
  const auto orchestrator = running();
  for (int i = 0; i < 50; ++i)
    begin(std::to_string(i), kOneTask);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(end_of(*orchestrator, std::to_string(i)).status, ExecutionStatus::succeeded);
  EXPECT_LE(most, 2);
}

// More executions wait for another one than there are threads that work.
TEST_F(OrchestratorTest, TasksThatWaitTakeNoPlaceOfThoseThatWork) {
  class Waiting : public Function {
   public:
    using Function::Function;
    bool is_waiting() const override { return true; }
  };
  std::atomic<bool> is_done = false;
  tasks_.add("arn:aws:wait", std::make_shared<Waiting>([&](const TaskCall&) {
               while (!is_done)
                 std::this_thread::yield();
               return done(1);
             }));
  tasks_.add("arn:aws:work", std::make_shared<Function>([&](const TaskCall&) {
               is_done = true;
               return done(2);
             }));
  options_.tasks_at_once = 1;
  const auto orchestrator = running();
  for (int i = 0; i < 3; ++i)
    begin(std::to_string(i),
          R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:wait", "End": true}}})");
  begin("work", R"({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:work", "End": true}}})");
  EXPECT_EQ(end_of(*orchestrator, "work").output, "2");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(end_of(*orchestrator, std::to_string(i)).output, "1");
}

TEST_F(OrchestratorTest, AThousandExecutionsBesideEachOther) {
  std::atomic<int> calls = 0;
  tasks_.add("arn:aws:*", std::make_shared<Function>([&](const TaskCall& call) {
               ++calls;
               return done(*call.input);
             }));
  const auto orchestrator = running();
  const std::string definition = R"({"StartAt": "P", "States": {"P": {"Type": "Pass", "Next": "A"},
    "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "C"},
    "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericGreaterThanEquals": 0, "Next": "E"}]}, "E": {"Type": "Succeed"}}})";
  for (int i = 0; i < 1000; ++i)
    begin(std::to_string(i), definition, {{"n", i}});
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(end_of(*orchestrator, std::to_string(i)).output, compact({{"n", i}}));
  EXPECT_EQ(calls, 1000);
}

TEST_F(OrchestratorTest, AMapOfTenThousandIsDurable) {
  const auto orchestrator = running();
  Json items = Json::array();
  for (int i = 0; i < 10'000; ++i)
    items.push_back(i);
  begin(
      "map",
      R"({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}}})",
      items);
  const ExecutionRow row = end_of(*orchestrator, "map");
  EXPECT_EQ(row.status, ExecutionStatus::succeeded);
  EXPECT_EQ(row.output, compact(items));
  EXPECT_EQ(store_->history(row.id, 0, 1'000'000)->size(), 40'000u + 6);
}

}  // namespace
}  // namespace shoplake::flow
