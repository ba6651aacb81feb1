// A backlog is taken in bulk: nothing is lost or counted twice, and the tables are those of a build afterwards.
#include <gmock/gmock.h>

#include <cerrno>

#include "io/faulty_env.h"
#include "live/live_home.h"

namespace shoplake::live {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kBacklog = 60;
constexpr std::uint64_t kBulkRecords = 100;

LiveOptions bulk_options(LiveHome& home) {
  LiveOptions options = home.options();
  options.backlog_records_min = kBacklog;
  options.bulk_records_max = kBulkRecords;
  return options;
}

std::unique_ptr<Live> open(const LiveOptions& options) {
  auto opened = Live::open(options);
  EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
  return opened.ok() ? std::move(opened).value() : nullptr;
}

std::uint64_t drain(Live& live, LiveHome& home) {
  std::uint64_t bulks = 0;
  while (live.consumed() < home.log_->end())
    bulks += run(live).is_bulk ? 1 : 0;
  run(live);  // has the models brought up
  return bulks;
}

TEST(Bulk, ABacklogGivesTheTablesOfABuild) {
  LiveHome home;
  const auto live = open(bulk_options(home));
  Shop shop(21);
  // History of micro-batches, which a backlog adds to.
  home.send("events", shop.events(40));
  EXPECT_FALSE(run(*live).is_bulk);

  auto events = shop.events(180);
  events.push_back(shop.event(1, "page_view", shop.now() - 5LL * 86'400 * 1'000'000));  // late: a build takes it
  std::vector<std::string> backlog = events;
  backlog.insert(backlog.begin() + 60, events[55]);                                 // inside a thread's part
  backlog.insert(backlog.begin() + 90, events[10]);                                 // in the part after
  backlog.insert(backlog.begin() + 150, events.begin() + 20, events.begin() + 30);  // in the bulk after
  backlog.insert(backlog.begin() + 170, "not json\n");
  home.send("events", backlog);
  home.send("dead_letters",
            {R"({"reason":"collector.too_large","source":"x","stream":"events","message":"m","bytes_base64":""})"});
  home.send(
      "clickstream",
      {R"({"event_id":"c1","event_type":"page_view","timestamp":1795000000000,"session_id":"s1","user_id":"u1","page_url":"https://shop.example/"})"
       "\n"});
  const Step first = run(*live);
  EXPECT_TRUE(first.is_bulk);
  EXPECT_FALSE(first.models_current);
  EXPECT_EQ(first.records, kBulkRecords);
  EXPECT_EQ(first.duplicates, 2u);
  EXPECT_EQ(live->status().state, LiveState::catching_up);
  EXPECT_EQ(home.count("marts.fact_events"), 40);
  const Step second = run(*live);
  EXPECT_TRUE(second.is_bulk);
  EXPECT_EQ(second.duplicates, 10u);
  EXPECT_EQ(second.rejected, 2u);
  EXPECT_EQ(live->consumed(), home.log_->end());
  EXPECT_EQ(run(*live).records, 0u);
  EXPECT_EQ(live->status().state, LiveState::running);
  EXPECT_EQ(home.count("processed.events"), 40 + 181);
  EXPECT_EQ(home.count("processed.clickstream"), 1);
  EXPECT_EQ(home.count("quarantine.events"), 1);
  EXPECT_EQ(home.count("quarantine.collector"), 1);
  EXPECT_EQ(home.count("marts.fact_events"), 40 + 181 + 1);

  // Micro-batches go on where it ended; what was taken in bulk is known.
  auto more = shop.events(20);
  more.insert(more.end(), events.end() - 10, events.end());
  home.send("events", more);
  const Step micro = run(*live);
  EXPECT_FALSE(micro.is_bulk);
  EXPECT_EQ(micro.accepted, 20u);
  EXPECT_EQ(micro.duplicates, 10u);
  EXPECT_TRUE(micro.models_current) << live->status().message;
  expect_as_built(home);
}

TEST(Bulk, WithoutRoomInMemoryTheTableIsAsked) {
  LiveHome home;
  LiveOptions options = bulk_options(home);
  options.window_events_max = 0;
  const auto live = open(options);
  Shop shop(22);
  const auto events = shop.events(150);
  home.send("events", events);
  home.send("events", {events.rbegin(), events.rend()});
  home.send("events", shop.events(10));
  EXPECT_EQ(drain(*live, home), 4u);
  EXPECT_EQ(live->status().duplicates, 150u);
  EXPECT_EQ(home.count("processed.events"), 160);
  expect_as_built(home);
}

TEST(Bulk, TheModelsAreBroughtUpByTheNextProcess) {
  LiveHome home;
  LiveOptions options = bulk_options(home);
  auto live = open(options);
  Shop shop(23);
  home.send("events", shop.events(90));
  EXPECT_TRUE(run(*live).is_bulk);
  live.reset();  // before they were

  // It does not work at first: the models wait, events are kept.
  const auto run_models = options.run_models;
  options.run_models = [](const std::vector<std::string>& models, std::stop_token) -> Result<void> {
    EXPECT_THAT(models, testing::Contains("fact_sessions"));
    return base::make_error(base::ErrorKind::failed, "test.models", "no models today", "");
  };
  live = open(options);
  home.send("events", shop.events(2));
  Step step = run(*live);
  EXPECT_EQ(step.accepted, 2u);
  EXPECT_FALSE(step.models_current);
  EXPECT_EQ(live->status().state, LiveState::stale);
  EXPECT_THAT(live->status().message, HasSubstr("no models today"));
  live.reset();

  options.run_models = run_models;
  live = open(options);
  home.send("events", shop.events(2));
  step = run(*live);
  EXPECT_TRUE(step.models_current);
  EXPECT_EQ(live->status().state, LiveState::running);
  EXPECT_EQ(home.count("marts.fact_events"), 94);
  expect_as_built(home);
}

TEST(Bulk, AFailedBulkIsDoneByTheNext) {
  using Operation = io::FaultyEnv::Operation;
  io::FaultyEnv env(io::posix_env());
  LiveHome home(env);
  const LiveOptions options = bulk_options(home);
  auto live = open(options);
  Shop shop(24);
  std::int64_t sent = 70;
  int failures = 0;
  home.send("events", shop.events(70));
  ASSERT_TRUE(live->run_once().ok());
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::sync_directory}) {
    for (const int nth : {1, 2, 4, 7}) {
      const auto events = shop.events(65);
      home.send("events", events);
      home.send("events", {events[3], events[60]});
      sent += 65;
      env.fail(operation, nth, EIO);
      const auto failed = live->run_once();
      env.heal();
      if (failed.ok())
        continue;  // a bulk does not have that many of them
      ++failures;
      EXPECT_LT(live->consumed(), home.log_->end());
      if (nth == 2) {  // another process goes on
        live.reset();
        live = open(options);
      }
      const auto step = live->run_once();
      ASSERT_TRUE(step.ok()) << to_string(step.error());
      EXPECT_TRUE(step->is_bulk);
      EXPECT_EQ(step->accepted, 65u);
      EXPECT_EQ(live->consumed(), home.log_->end());
    }
  }
  EXPECT_GE(failures, 6);
  drain(*live, home);
  EXPECT_EQ(home.count("processed.events"), sent);
  EXPECT_EQ(home.count("marts.fact_events"), sent);
  expect_as_built(home);
}

}  // namespace
}  // namespace shoplake::live
