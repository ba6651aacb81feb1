// Files fail under live: what is not committed has not happened, and the next step does it.
#include <gmock/gmock.h>

#include <cerrno>

#include "io/faulty_env.h"
#include "live/live_home.h"

namespace shoplake::live {
namespace {

TEST(LiveFaults, AFailedStepIsDoneByTheNext) {
  using Operation = io::FaultyEnv::Operation;
  io::FaultyEnv env(io::posix_env());
  LiveHome home(env);
  const auto open = [&] {
    LiveOptions options = home.options();
    options.model_threads = 1;  // which write is the nth does not depend on threads
    auto opened = Live::open(options);
    SHOPLAKE_CHECK(opened.ok());
    return std::move(opened).value();
  };
  auto live = open();
  Shop shop(11);
  std::int64_t sent = 0;
  int failures = 0;
  const auto send = [&](int count) {
    home.send("events", shop.events(count));
    sent += count;
  };
  send(10);
  ASSERT_TRUE(live->run_once().ok());
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::sync_directory}) {
    for (const int nth : {1, 3, 8, 21, 55}) {
      send(2);
      env.fail(operation, nth, EIO);
      const auto failed = live->run_once();
      env.heal();
      if (failed.ok())
        break;  // a step does not have that many of them
      ++failures;
      if (nth == 8 || nth == 21) {  // another process goes on
        live.reset();
        live = open();
      }
      const auto step = live->run_once();
      ASSERT_TRUE(step.ok()) << to_string(step.error());
      EXPECT_EQ(step->accepted, 2u);
      EXPECT_TRUE(step->models_current) << live->status().message;
      EXPECT_EQ(live->consumed(), home.log_->end());
    }
  }
  EXPECT_GE(failures, 10);
  EXPECT_EQ(home.count("processed.events"), sent);
  EXPECT_EQ(home.count("marts.fact_events"), sent);
  const auto sessions = home.rows("marts.fact_sessions");
  const auto comparison = home.rows("marts.mart_attribution_comparison");
  ASSERT_TRUE(home.build(true).ok());
  EXPECT_EQ(sessions, home.rows("marts.fact_sessions"));
  EXPECT_EQ(comparison, home.rows("marts.mart_attribution_comparison"));
}

TEST(LiveFaults, AMergeThatFailsChangesNothing) {
  using Operation = io::FaultyEnv::Operation;
  io::FaultyEnv env(io::posix_env());
  LiveHome home(env);
  LiveOptions options = home.options();
  options.joined_row_group_rows_min = 1;
  options.model_threads = 1;
  const auto live = Live::open(options);
  ASSERT_TRUE(live.ok()) << to_string(live.error());
  Shop shop(12);
  std::int64_t sent = 0;
  int failures = 0;
  for (const auto& [operation, nth] : {std::pair(Operation::create, 1), {Operation::write, 2}, {Operation::sync, 1}}) {
    for (int batch = 0; batch < 9; ++batch, ++sent) {
      home.send("events", shop.events(1));
      ASSERT_TRUE((*live)->run_once().ok());
    }
    env.fail(operation, nth, EIO);
    failures += (*live)->maintain_once().ok() ? 0 : 1;
    env.heal();
    EXPECT_EQ(home.count("processed.events"), sent);
    EXPECT_EQ(home.count("marts.fact_events"), sent);
  }
  EXPECT_GT(failures, 0);
  ASSERT_TRUE((*live)->maintain_once().ok());
  expect_as_built(home);
}

}  // namespace
}  // namespace shoplake::live
