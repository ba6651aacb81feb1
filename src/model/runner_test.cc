// Runs of a project that need more than a query: memory.
#include "model/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/temporary_directory.h"
#include "model/invocation.h"

namespace shoplake::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Messages final : public RunListener {
 public:
  void started(int, int, const Manifest&, const std::string&) override {}
  void finished(int, int, const Manifest&, const NodeResult&) override {}
  void message(std::string_view text) override { texts.emplace_back(text); }

  std::vector<std::string> texts;
};

// A project of one model whose aggregate the engine cannot spill: it wants some 200 MB at once.
class RunnerMemory : public testing::Test {
 protected:
  static constexpr std::uint64_t kMebibyte = 1 << 20;

  void SetUp() override {
    io::Env& env = io::posix_env();
    ASSERT_TRUE(env.create_directories(folder_.file("project/models")).ok());
    ASSERT_TRUE(env.write_file(folder_.file("project/dbt_project.yml"),
                               "name: p\nversion: '1.0'\nprofile: p\nmodels:\n  +materialized: table\n")
                    .ok());
    ASSERT_TRUE(env.write_file(folder_.file("project/models/big.sql"),
                               "select len(list(i)) as n from range(10000000) as numbers(i)")
                    .ok());
  }

  // The engine has 64 MiB.
  Result<NodeResult> run(std::uint64_t memory_bytes, std::uint64_t memory_bytes_max) {
    InvocationOptions project;
    project.env = &io::posix_env();
    project.project_directory = folder_.file("project");
    project.target_directory = folder_.file("target");
    project.command = "run";
    const auto invocation = SHOPLAKE_TRY(Invocation::load(project));
    const auto catalog =
        SHOPLAKE_TRY(catalog::Catalog::open({&io::posix_env(), folder_.file("lake"), folder_.file("state.sqlite")}));
    engine::DatabaseOptions engine;
    engine.extension_directory = SHOPLAKE_DEPS_DIR "/extensions";
    engine.temporary_directory = folder_.file("tmp");
    engine.memory_limit_bytes = 64 * kMebibyte;
    engine.threads = 1;
    const auto database = SHOPLAKE_TRY(engine::Database::open(engine));
    const auto session = SHOPLAKE_TRY(database->connect());
    const auto lake = SHOPLAKE_TRY(Lake::open({&io::posix_env(), catalog.get()}, *session));
    RunnerOptions options;
    options.env = &io::posix_env();
    options.target_directory = project.target_directory;
    options.memory_bytes = memory_bytes;
    options.memory_bytes_max = memory_bytes_max;
    Runner runner(invocation->manifest(), invocation->graph(), invocation->renderer(), *lake, *database, options,
                  messages_);
    const auto results = SHOPLAKE_TRY(runner.run({"model.p.big"}));
    SHOPLAKE_CHECK(results.size() == 1);
    return results[0];
  }

  io::TemporaryDirectory folder_;
  Messages messages_;
};

TEST_F(RunnerMemory, AModelGetsWhatItNeeds) {
  const auto result = run(64 * kMebibyte, 1024 * kMebibyte);
  ASSERT_TRUE(result.ok()) << to_string(result.error());
  EXPECT_EQ(result->status, NodeStatus::success) << result->message;
  EXPECT_THAT(messages_.texts,
              ElementsAre("model big needs more memory than 64 MiB; the engine may take 128 MiB now",
                          "model big needs more memory than 128 MiB; the engine may take 256 MiB now"));
}

TEST_F(RunnerMemory, ButNoMoreThanItMay) {
  const auto result = run(64 * kMebibyte, 100 * kMebibyte);
  ASSERT_TRUE(result.ok()) << to_string(result.error());
  EXPECT_EQ(result->status, NodeStatus::error);
  EXPECT_THAT(result->message, HasSubstr("Out of Memory"));
  EXPECT_THAT(messages_.texts, ElementsAre("model big needs more memory than 64 MiB; the engine may take 100 MiB now"));
}

TEST_F(RunnerMemory, AndNothingWhereTheLimitWasGiven) {
  const auto result = run(0, 0);
  ASSERT_TRUE(result.ok()) << to_string(result.error());
  EXPECT_EQ(result->status, NodeStatus::error);
  EXPECT_THAT(messages_.texts, IsEmpty());
}

}  // namespace
}  // namespace shoplake::model
