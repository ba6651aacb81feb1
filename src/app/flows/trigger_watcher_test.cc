// Triggers over a clock and files that only move when told: what starts, once, whatever dies when.
#include "app/flows/trigger_watcher.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/moment.h"
#include "io/memory_env.h"

namespace shoplake::app {
namespace {

constexpr std::int64_t kSecond = base::kMicrosPerSecond;

class TriggerWatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("shoplake_trigger_" + io::posix_env().new_uuid());
    std::filesystem::create_directories(folder_);
    set_time("2026-11-21T10:00:00Z");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void set_time(const std::string& text) {
    const std::int64_t wanted = base::parse_timestamp(text).value();
    env_.advance(wanted - env_.now_micros());
  }
  void drop(const std::string& object, const std::string& bytes = "x") {
    const std::string path = "/lake/" + object;
    ASSERT_TRUE(env_.create_directories(io::parent_path(path)).ok());
    ASSERT_TRUE(env_.write_file(path, bytes).ok());
  }
  void remove(const std::string& object) { ASSERT_TRUE(env_.remove_file("/lake/" + object).ok()); }

  // A process that watches, from now on.
  void begin(const std::string& triggers) {
    auto settings = parse_triggers(io::posix_env(), triggers, "triggers.yml");
    ASSERT_TRUE(settings.ok()) << base::to_string(settings.error());
    TriggerWatcherOptions options;
    options.env = &env_;
    options.lake_root = "/lake";
    options.control_plane = (folder_ / "state.sqlite").string();
    options.triggers = settings->triggers;
    options.is_loaded = [this](const std::string& object, const ObjectVersion&) -> base::Result<std::optional<bool>> {
      return is_committed_ ? std::optional(object == placed_) : std::nullopt;
    };
    options.on_objects = [this] { ++noted_; };
    options.start = [this](const StartFlow& request) -> base::Result<void> {
      if (is_broken_)
        return base::make_error(base::ErrorKind::environment, "test.broken", "broken");
      const auto [place, is_new] = started_.emplace(request.name, request);
      if (is_new)
        order_.push_back(request.name);
      else
        EXPECT_EQ(place->second.input, request.input);  // the same start again has the same input
      return {};
    };
    auto watcher = TriggerWatcher::open(std::move(options));
    ASSERT_TRUE(watcher.ok()) << base::to_string(watcher.error());
    watcher_ = std::move(watcher).value();
  }
  base::Result<void> look() { return watcher_->look(); }
  void look_for(std::int64_t seconds) {
    for (std::int64_t i = 0; i < seconds; ++i) {
      env_.advance(kSecond);
      ASSERT_TRUE(look().ok());
    }
  }
  flow::Json input(const std::string& name) { return flow::Json::parse(started_.at(name).input); }

  std::filesystem::path folder_;
  io::MemoryEnv env_;
  std::unique_ptr<TriggerWatcher> watcher_;
  std::map<std::string, StartFlow> started_;
  std::vector<std::string> order_;
  int noted_ = 0;  // how often objects that came were told
  bool is_broken_ = false;
  std::string placed_;
  bool is_committed_ = true;
};

constexpr const char* kFiles = R"(
triggers:
  files:
    flow: shop_batch
    input: {source: drop}
    object_created: {prefixes: [raw/a/, raw/b/date=], suffixes: [.csv], quiet: 5s, at_most: 20s}
)";

TEST_F(TriggerWatcherTest, FilesThatCameTogetherStartOneExecution) {
  drop("raw/a/old.csv");
  begin(kFiles);
  look_for(10);
  EXPECT_TRUE(order_.empty());  // they were there before
  drop("raw/a/date=2026-11-21/one.csv");
  look_for(4);
  drop("raw/b/date=2026-11-21/two.csv");
  drop("raw/b/other.csv");
  drop("raw/a/notes.txt");
  drop("raw/a/.half.csv");
  look_for(5);
  EXPECT_TRUE(order_.empty());
  look_for(2);
  ASSERT_EQ(order_, std::vector<std::string>{"files-1"});
  EXPECT_EQ(
      input("files-1"),
      flow::Json::parse(
          R"({"source":"drop","trigger":"files","objects":["raw/a/date=2026-11-21/one.csv","raw/b/date=2026-11-21/two.csv"]})"));
  EXPECT_EQ(started_.at("files-1").started_by, "object:raw/a/date=2026-11-21/one.csv");
  look_for(30);
  EXPECT_EQ(order_.size(), 1u);
}

TEST_F(TriggerWatcherTest, TellsOfObjectsOnceWhenTheyCome) {
  drop("raw/a/old.csv");
  begin(kFiles);
  look_for(3);
  EXPECT_EQ(noted_, 0) << "what was there before";
  drop("raw/a/one.csv");
  ASSERT_TRUE(watcher_->note_objects().ok());
  EXPECT_EQ(noted_, 1);
  look_for(30);
  EXPECT_EQ(noted_, 1);
  remove("raw/a/one.csv");
  drop("raw/b/other.csv");  // which no prefix has
  look_for(3);
  EXPECT_EQ(noted_, 1);
}

TEST_F(TriggerWatcherTest, SaysWhenWhatItNotedIsDue) {
  begin(kFiles);
  ASSERT_TRUE(look().ok());
  EXPECT_EQ(watcher_->due_micros(), std::nullopt);
  env_.advance(kSecond);
  drop("raw/a/one.csv");
  ASSERT_TRUE(look().ok());
  const std::int64_t first = env_.now_micros();
  EXPECT_EQ(watcher_->due_micros(), first + 5 * kSecond);
  for (int i = 0; i < 4; ++i) {
    env_.advance(4 * kSecond);
    drop("raw/a/more.csv", std::string(static_cast<std::size_t>(i + 2), 'x'));
    ASSERT_TRUE(look().ok());
  }
  EXPECT_EQ(watcher_->due_micros(), first + 20 * kSecond) << "at_most";
  env_.advance(*watcher_->due_micros() - env_.now_micros());
  ASSERT_TRUE(look().ok());
  EXPECT_EQ(order_, std::vector<std::string>{"files-1"});
  EXPECT_EQ(watcher_->due_micros(), std::nullopt);
}

TEST_F(TriggerWatcherTest, FilesThatComeWithoutEndStartExecutionsAllTheSame) {
  begin(kFiles);
  look_for(1);
  for (int i = 0; i < 30; ++i) {
    drop("raw/a/" + std::to_string(i) + ".csv");
    look_for(1);
  }
  EXPECT_EQ(order_.size(), 1u);
}

TEST_F(TriggerWatcherTest, AChangedFileIsANewOne) {
  begin(kFiles);
  look_for(1);
  drop("raw/a/one.csv");
  look_for(8);
  drop("raw/a/one.csv", "another content");
  look_for(8);
  EXPECT_EQ(order_, (std::vector<std::string>{"files-1", "files-2"}));
}

TEST_F(TriggerWatcherTest, TheCopyThatALoadPutsInItsPlaceIsNoNewFile) {
  begin(kFiles);
  look_for(1);
  drop("raw/a/one.csv");
  look_for(8);
  placed_ = "raw/a/one.csv";
  is_committed_ = false;
  drop("raw/a/one.csv");
  look_for(8);
  is_committed_ = true;
  look_for(8);
  EXPECT_EQ(order_.size(), 1u);
  drop("raw/a/one.csv", "a longer content");
  look_for(8);
  EXPECT_EQ(order_.size(), 2u);
}

TEST_F(TriggerWatcherTest, WhatCameWhileNobodyLookedIsFound) {
  begin(kFiles);
  look_for(1);
  watcher_.reset();
  drop("raw/a/one.csv");
  begin(kFiles);
  look_for(8);
  EXPECT_EQ(order_, std::vector<std::string>{"files-1"});
}

// A file that is moved away, as rejected ones are, before the flow starts is in its input.
TEST_F(TriggerWatcherTest, AFileThatWentMeanwhileIsToldOf) {
  begin(kFiles);
  look_for(1);
  drop("raw/a/bad.csv");
  ASSERT_TRUE(watcher_->note_objects().ok());
  remove("raw/a/bad.csv");
  look_for(8);
  ASSERT_EQ(order_, std::vector<std::string>{"files-1"});
  EXPECT_EQ(input("files-1")["objects"], flow::Json::array({"raw/a/bad.csv"}));
}

TEST_F(TriggerWatcherTest, AStartThatFailedIsRepeatedByTheNextProcessToo) {
  begin(kFiles);
  look_for(1);
  drop("raw/a/one.csv");
  look_for(4);
  is_broken_ = true;
  for (int i = 0; i < 3; ++i) {
    env_.advance(2 * kSecond);
    (void)look();
  }
  EXPECT_FALSE(look().ok());
  EXPECT_TRUE(order_.empty());
  watcher_.reset();
  is_broken_ = false;
  begin(kFiles);
  EXPECT_EQ(order_, std::vector<std::string>{"files-1"});
  look_for(10);
  EXPECT_EQ(order_.size(), 1u);
}

TEST_F(TriggerWatcherTest, MoreFilesThanOneInputHoldsAreSeveralExecutions) {
  begin(kFiles);
  look_for(1);
  for (int i = 0; i < kBatchObjectsMax + 1; ++i)
    drop("raw/a/" + std::to_string(i) + ".csv");
  look_for(8);
  ASSERT_EQ(order_, (std::vector<std::string>{"files-1", "files-2"}));
  EXPECT_EQ(std::ssize(input("files-1")["objects"]), kBatchObjectsMax);
  EXPECT_EQ(std::ssize(input("files-2")["objects"]), 1);
}

std::string schedule(const std::string& missed) {
  return "triggers:\n  clock:\n    flow: f\n    schedule: rate(1 hour)\n    time_zone: Europe/Berlin\n    missed: " +
         missed + "\n";
}

TEST_F(TriggerWatcherTest, AScheduleStartsWhenItIsDue) {
  begin(schedule("last"));
  ASSERT_TRUE(look().ok());
  set_time("2026-11-21T10:59:59Z");
  ASSERT_TRUE(look().ok());
  EXPECT_TRUE(order_.empty());
  set_time("2026-11-21T11:00:00Z");
  ASSERT_TRUE(look().ok());
  ASSERT_TRUE(look().ok());
  ASSERT_EQ(order_, std::vector<std::string>{"clock-20261121T110000Z"});
  EXPECT_EQ(
      input("clock-20261121T110000Z"),
      flow::Json::parse(
          R"({"trigger":"clock","scheduled_time":"2026-11-21T11:00:00Z","today":"2026-11-21","yesterday":"2026-11-20"})"));
  set_time("2026-11-21T23:00:00Z");
  ASSERT_TRUE(look().ok());
  EXPECT_EQ(input("clock-20261121T230000Z")["today"], "2026-11-22");  // in Berlin
}

TEST_F(TriggerWatcherTest, MissedTimesAreCaughtUpByThePolicy) {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"none", {}},
      {"last", {"clock-20261121T130000Z"}},
      {"all", {"clock-20261121T110000Z", "clock-20261121T120000Z", "clock-20261121T130000Z"}}};
  for (const auto& [policy, expected] : cases) {
    TearDown();
    SetUp();
    order_.clear();
    started_.clear();
    begin(schedule(policy));
    ASSERT_TRUE(look().ok());
    watcher_.reset();
    set_time("2026-11-21T13:30:00Z");
    begin(schedule(policy));
    ASSERT_TRUE(look().ok());
    ASSERT_TRUE(look().ok());
    EXPECT_EQ(order_, expected) << policy;
  }
}

TEST(Triggers, SayWhatIsWrongWithLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"triggers:\n  a:\n    flo: x\n", ":3: a has no key flo"},
      {"triggers:\n  a:\n    schedule: rate(1 hour)\n", "names no flow"},
      {"triggers:\n  a:\n    flow: x\n", "has not one of"},
      {"triggers:\n  a:\n    flow: x\n    schedule: rate(1 hour)\n    object_created: {prefixes: [raw/a/]}\n",
       "has not one of"},
      {"triggers:\n  a:\n    flow: x\n    schedule: rate(1 our)\n", ":4: schedule: rate(1 our)"},
      {"triggers:\n  a:\n    flow: x\n    schedule: rate(1 hour)\n    time_zone: Europe/Berlon\n", ":5: time_zone:"},
      {"triggers:\n  a:\n    flow: x\n    schedule: rate(1 hour)\n    missed: some\n", ":5: missed:"},
      {"triggers:\n  a:\n    flow: x\n    object_created: {prefixes: [/etc/]}\n", ":4: the prefix /etc/"},
      {"triggers:\n  a:\n    flow: x\n    object_created: {prefixes: [raw/a/], quiet: soon}\n", "quiet"},
      {"triggers:\n  a:\n    flow: x\n    http: {token: short}\n", "less than 16"},
      {"flows:\n  x: {executions_at_once: 0}\n", ":2:"},
      {"triggers: [a]\n", "no mapping"},
      {"triggers:\n  a b:\n    flow: x\n", "no name of a trigger"},
      {"a: [", "triggers.yml:"},
  };
  for (const auto& [yaml, what] : cases) {
    const auto settings = parse_triggers(io::posix_env(), yaml, "triggers.yml");
    ASSERT_FALSE(settings.ok()) << yaml;
    EXPECT_EQ(settings.error().code, "home.configuration");
    EXPECT_NE(settings.error().message.find(what), std::string::npos) << settings.error().message;
  }
}

}  // namespace
}  // namespace shoplake::app
