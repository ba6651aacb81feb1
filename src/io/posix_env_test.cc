#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "io/env.h"
#include "io/temporary_directory.h"

namespace shoplake::io {
namespace {

class PosixEnvTest : public testing::Test {
 protected:
  Env& env_ = posix_env();
  TemporaryDirectory folder_;
};

TEST_F(PosixEnvTest, WhatWasWrittenIsReadBack) {
  std::string large(300'000, 'x');
  large[299'999] = 'y';
  {
    auto file = env_.create_file(folder_.file("a"));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->append("small").ok());
    ASSERT_TRUE((*file)->append(large).ok());
    ASSERT_TRUE((*file)->append("end").ok());
    ASSERT_TRUE((*file)->sync().ok());
    ASSERT_TRUE((*file)->close().ok());
  }
  EXPECT_EQ(env_.read_file(folder_.file("a")).value(), "small" + large + "end");
  EXPECT_EQ(env_.file_size(folder_.file("a")).value(), 300'008u);

  auto more = env_.append_file(folder_.file("a"));
  ASSERT_TRUE(more.ok());
  ASSERT_TRUE((*more)->append("!").ok());
  ASSERT_TRUE((*more)->close().ok());
  EXPECT_EQ(env_.file_size(folder_.file("a")).value(), 300'009u);
}

TEST_F(PosixEnvTest, AListingTellsWhenAFileWasWritten) {
  constexpr std::int64_t kClockGrain = 20'000;  // file systems stamp by the kernel's tick
  const std::int64_t before = env_.now_micros();
  ASSERT_TRUE(env_.write_file(folder_.file("a"), "x").ok());
  const auto entries = env_.list_directory(folder_.path()).value();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_GE(entries[0].modified_micros, before - kClockGrain);
  EXPECT_LE(entries[0].modified_micros, env_.now_micros());
}

TEST_F(PosixEnvTest, ReadStopsAtTheEnd) {
  ASSERT_TRUE(env_.write_file(folder_.file("a"), "0123456789").ok());
  auto file = env_.open_file(folder_.file("a"));
  ASSERT_TRUE(file.ok());
  char buffer[8];
  EXPECT_EQ((*file)->read(6, 8, buffer).value(), 4u);
  EXPECT_EQ(std::string_view(buffer, 4), "6789");
  EXPECT_EQ((*file)->read(10, 8, buffer).value(), 0u);
  EXPECT_EQ((*file)->size().value(), 10u);
}

TEST_F(PosixEnvTest, WriteFileReplacesAndLeavesNothingElse) {
  ASSERT_TRUE(env_.write_file(folder_.file("a"), "one").ok());
  ASSERT_TRUE(env_.write_file(folder_.file("a"), "two").ok());
  EXPECT_EQ(env_.read_file(folder_.file("a")).value(), "two");
  EXPECT_EQ(env_.list_directory(folder_.path()).value().size(), 1u);
}

TEST_F(PosixEnvTest, MissingFileNamesThePathAndTheReason) {
  const auto file = env_.open_file(folder_.file("absent"));
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, "io.not_found");
  EXPECT_EQ(file.error().kind, base::ErrorKind::not_found);
  EXPECT_EQ(file.error().message, "cannot open " + folder_.file("absent") + ": No such file or directory");
  EXPECT_EQ(env_.remove_file(folder_.file("absent")).error().code, "io.not_found");
  EXPECT_TRUE(env_.remove_tree(folder_.file("absent")).ok());
  EXPECT_FALSE(env_.exists(folder_.file("absent")).value());
  EXPECT_FALSE(env_.exists(folder_.file("absent/below")).value());
}

TEST_F(PosixEnvTest, FolderWhereAFileIsMeant) {
  EXPECT_EQ(env_.open_file(folder_.path()).error().code, "io.is_directory");
  EXPECT_EQ(env_.open_file(folder_.path()).error().kind, base::ErrorKind::usage);
  EXPECT_EQ(env_.create_file(folder_.path()).error().code, "io.is_directory");
  EXPECT_EQ(env_.file_size(folder_.path()).error().code, "io.is_directory");
  EXPECT_EQ(env_.remove_file(folder_.path()).error().code, "io.is_directory");
}

TEST_F(PosixEnvTest, FullDiskIsAnErrorOfTheEnvironment) {
  auto file = env_.append_file("/dev/full");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append("x").ok());  // buffered
  const auto synced = (*file)->sync();
  ASSERT_FALSE(synced.ok());
  EXPECT_EQ(synced.error().code, "io.disk_full");
  EXPECT_EQ(synced.error().kind, base::ErrorKind::environment);
}

TEST_F(PosixEnvTest, FoldersAreMadeWithTheirParentsAndListedInOrder) {
  ASSERT_TRUE(env_.create_directories(folder_.file("b/c/d")).ok());
  ASSERT_TRUE(env_.create_directories(folder_.file("b/c/d")).ok());
  ASSERT_TRUE(env_.write_file(folder_.file("b/z"), "12").ok());
  ASSERT_TRUE(env_.write_file(folder_.file("b/a"), "1").ok());
  ASSERT_EQ(::symlink("/nowhere/at/all", folder_.file("b/dangling").c_str()), 0);
  const auto entries = env_.list_directory(folder_.file("b")).value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[1].name, "c");
  EXPECT_TRUE(entries[1].is_directory);
  EXPECT_EQ(entries[2].name, "z");
  EXPECT_EQ(entries[2].size_bytes, 2u);
  EXPECT_FALSE(env_.create_directories(folder_.file("b/a")).ok());
  EXPECT_FALSE(env_.create_directories(folder_.file("b/a/x")).ok());
  EXPECT_EQ(env_.list_directory(folder_.file("b/none")).error().code, "io.not_found");
  ASSERT_TRUE(env_.remove_tree(folder_.file("b")).ok());
  EXPECT_FALSE(env_.exists(folder_.file("b")).value());
}

TEST_F(PosixEnvTest, RenameReplaces) {
  ASSERT_TRUE(env_.write_file(folder_.file("a"), "new").ok());
  ASSERT_TRUE(env_.write_file(folder_.file("b"), "old").ok());
  ASSERT_TRUE(env_.rename(folder_.file("a"), folder_.file("b")).ok());
  ASSERT_TRUE(env_.sync_directory(folder_.path()).ok());
  EXPECT_EQ(env_.read_file(folder_.file("b")).value(), "new");
  EXPECT_FALSE(env_.exists(folder_.file("a")).value());
  EXPECT_EQ(env_.rename(folder_.file("a"), folder_.file("b")).error().kind, base::ErrorKind::not_found);
}

TEST_F(PosixEnvTest, ALockIsHeldOnceAndGoesWithItsObject) {
  const std::string path = folder_.file("lock");
  auto lock = env_.lock_file(path);
  ASSERT_TRUE(lock.ok());
  const auto second = env_.lock_file(path);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, "io.locked");
  EXPECT_EQ(second.error().kind, base::ErrorKind::conflict);
  EXPECT_TRUE(env_.read_file(path).ok());  // closing another descriptor of the file keeps the lock
  EXPECT_EQ(env_.lock_file(path).error().code, "io.locked");
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(env_.lock_file(path).ok() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "another process got the lock";
  lock->reset();
  EXPECT_TRUE(env_.lock_file(path).ok());
  EXPECT_EQ(env_.lock_file(folder_.file("none/lock")).error().code, "io.not_found");
}

TEST_F(PosixEnvTest, UuidsAreOfVersionFourAndDiffer) {
  std::set<std::string> seen;
  const std::regex version_four("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = env_.new_uuid();
    EXPECT_TRUE(std::regex_match(uuid, version_four)) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second);
  }
  EXPECT_NE(env_.random_uint64(), env_.random_uint64());
}

TEST(Paths, AreTakenApartAndPutTogether) {
  EXPECT_EQ(join_path("a", "b/c"), "a/b/c");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("/", "b"), "/b");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a/b/"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), "");
  EXPECT_EQ(file_name("/a/b"), "b");
  EXPECT_EQ(file_name("/a/b/"), "b");
  EXPECT_EQ(file_name("b"), "b");
}

}  // namespace
}  // namespace shoplake::io
