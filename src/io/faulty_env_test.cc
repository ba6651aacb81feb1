#include "io/faulty_env.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "io/memory_env.h"

namespace shoplake::io {
namespace {

using Operation = FaultyEnv::Operation;

class FaultyEnvTest : public testing::Test {
 protected:
  FaultyEnvTest() { EXPECT_TRUE(env_.create_directories("/d").ok()); }
  std::unique_ptr<WritableFile> create(const std::string& path) { return std::move(env_.create_file(path)).value(); }
  std::string content(const std::string& path) {
    return env_.exists(path).value() ? env_.read_file(path).value() : "absent";
  }

  MemoryEnv memory_;
  FaultyEnv env_{memory_};
};

TEST_F(FaultyEnvTest, CrashForgetsUnsyncedBytes) {
  auto file = create("/d/a");
  ASSERT_TRUE(env_.sync_directory("/d").ok());
  ASSERT_TRUE(file->append("kept").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(file->append(" lost").ok());
  EXPECT_EQ(content("/d/a"), "kept lost");
  ASSERT_TRUE(env_.crash().ok());
  EXPECT_EQ(content("/d/a"), "kept");
  EXPECT_FALSE(file->append("x").ok());
  EXPECT_FALSE(file->sync().ok());
}

TEST_F(FaultyEnvTest, CrashForgetsNamesOfUnsyncedFolders) {
  auto file = create("/d/new");
  ASSERT_TRUE(file->append("x").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(memory_.write_file("/d/old", "old").ok());
  ASSERT_TRUE(memory_.write_file("/d/removed", "removed").ok());
  ASSERT_TRUE(memory_.write_file("/d/from", "from").ok());
  ASSERT_TRUE(env_.rename("/d/from", "/d/old").ok());
  ASSERT_TRUE(env_.remove_file("/d/removed").ok());
  EXPECT_EQ(content("/d/old"), "from");
  ASSERT_TRUE(env_.crash().ok());
  EXPECT_EQ(content("/d/new"), "absent");
  EXPECT_EQ(content("/d/old"), "old");
  EXPECT_EQ(content("/d/from"), "from");
  EXPECT_EQ(content("/d/removed"), "removed");
}

TEST_F(FaultyEnvTest, WriteFileIsDurable) {
  ASSERT_TRUE(env_.write_file("/d/a", "one").ok());
  ASSERT_TRUE(env_.crash().ok());
  EXPECT_EQ(content("/d/a"), "one");
}

// Whichever operation of a replacement fails or whenever the power goes, the file is the old one or the new one, whole.
TEST_F(FaultyEnvTest, WriteFileIsAtomicUnderEveryFaultAndCrash) {
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::close,
                                    Operation::rename, Operation::sync_directory}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      env_.heal();
      ASSERT_TRUE(env_.write_file("/d/a", "old").ok());
      env_.fail(operation, 1, EIO);
      EXPECT_EQ(env_.write_file("/d/a", "new").error().code, "io.failed");
      ASSERT_TRUE(env_.crash(seed == 0 ? std::nullopt : std::optional(seed)).ok());
      const std::string found = content("/d/a");
      EXPECT_TRUE(found == "old" || found == "new")
          << found << " after operation " << static_cast<int>(operation) << " seed " << seed;
    }
  }
}

// The check above can fail: without the sync a crash may leave the new name with half the bytes.
TEST_F(FaultyEnvTest, RenameWithoutSyncCanTear) {
  bool torn = false;
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    ASSERT_TRUE(env_.write_file("/d/a", "old").ok());
    auto file = create("/d/t");
    ASSERT_TRUE(file->append("new content").ok());
    ASSERT_TRUE(env_.rename("/d/t", "/d/a").ok());
    ASSERT_TRUE(env_.crash(seed).ok());
    torn = torn || (content("/d/a") != "old" && content("/d/a") != "new content");
  }
  EXPECT_TRUE(torn);
}

TEST_F(FaultyEnvTest, NthOperationFailsOnce) {
  env_.fail(Operation::sync, 2, EIO);
  auto file = create("/d/a");
  EXPECT_TRUE(file->sync().ok());
  EXPECT_FALSE(file->sync().ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(env_.count(Operation::sync), 3);
  env_.fail(Operation::read, 1, EIO);
  EXPECT_EQ(env_.read_file("/d/a").error().code, "io.failed");
  env_.fail(Operation::create, 1, EACCES);
  EXPECT_EQ(env_.create_file("/d/b").error().code, "io.permission_denied");
  EXPECT_FALSE(env_.exists("/d/b").value());
}

TEST_F(FaultyEnvTest, FullDiskCutsTheWriteThatPassesTheLimit) {
  env_.limit_space(5);
  auto file = create("/d/a");
  EXPECT_TRUE(file->append("123").ok());
  EXPECT_EQ(file->append("4567").error().code, "io.disk_full");
  EXPECT_EQ(content("/d/a"), "12345");
  EXPECT_EQ(file->append("8").error().code, "io.disk_full");
  env_.heal();
  EXPECT_TRUE(file->append("8").ok());
}

TEST_F(FaultyEnvTest, TornWriteLeavesItsBeginning) {
  env_.tear_write(2, 3);
  auto file = create("/d/a");
  EXPECT_TRUE(file->append("whole ").ok());
  EXPECT_EQ(file->append("torn").error().code, "io.failed");
  EXPECT_EQ(content("/d/a"), "whole tor");
}

}  // namespace
}  // namespace shoplake::io
