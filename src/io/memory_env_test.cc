#include "io/memory_env.h"

#include <gtest/gtest.h>

namespace shoplake::io {
namespace {

TEST(MemoryEnv, BehavesAsADiskDoes) {
  MemoryEnv env;
  EXPECT_EQ(env.write_file("/a/b", "x").error().code, "io.not_found");  // no folder
  ASSERT_TRUE(env.create_directories("/a/c").ok());
  ASSERT_TRUE(env.write_file("/a/b", "one").ok());
  ASSERT_TRUE(env.write_file("/a/b", "two").ok());
  EXPECT_EQ(env.read_file("/a/b").value(), "two");
  EXPECT_EQ(env.open_file("/a").error().code, "io.is_directory");
  EXPECT_EQ(env.create_file("/a").error().code, "io.is_directory");
  EXPECT_EQ(env.remove_file("/a/none").error().code, "io.not_found");
  EXPECT_FALSE(env.create_directories("/a/b/d").ok());
  EXPECT_FALSE(env.create_directories("/a/b/d").ok());  // the first one left nothing
  const auto entries = env.list_directory("/a/").value();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "b");
  EXPECT_EQ(entries[0].size_bytes, 3u);
  EXPECT_TRUE(entries[1].is_directory);

  // An open file outlives its name.
  const auto reader = env.open_file("/a/b").value()->size();
  auto open = env.open_file("/a/b");
  ASSERT_TRUE(env.remove_file("/a/b").ok());
  EXPECT_EQ((*open)->size().value(), reader.value());

  ASSERT_TRUE(env.write_file("/a/c/d", "x").ok());
  ASSERT_TRUE(env.rename("/a/c", "/a/e").ok());
  EXPECT_EQ(env.read_file("/a/e/d").value(), "x");
  EXPECT_FALSE(env.exists("/a/c/d").value());
  ASSERT_TRUE(env.remove_tree("/a").ok());
  EXPECT_FALSE(env.exists("/a/e/d").value());
  EXPECT_TRUE(env.is_directory("/").value());
}

TEST(MemoryEnv, ATreeIsListedByPath) {
  MemoryEnv env;
  for (const char* path : {"/a/b/d=1", "/a/b/d=2/c", "/a/b/other"})
    ASSERT_TRUE(env.create_directories(path).ok());
  for (const char* path : {"/a/b/d=2/z", "/a/b/d=1/y", "/a/b/d=2/c/x", "/a/b/d", "/a/b/other/w", "/a/b-not"})
    ASSERT_TRUE(env.write_file(path, "12").ok());
  const auto names = [&](const std::string& folder, const std::string& prefix) {
    std::string names;
    const auto files = env.list_tree(folder, prefix).value();
    for (const DirectoryEntry& file : files)
      names += file.name + " ";
    return names;
  };
  EXPECT_EQ(names("/a/b", ""), "d d=1/y d=2/c/x d=2/z other/w ");
  EXPECT_EQ(names("/a/b/", "d="), "d=1/y d=2/c/x d=2/z ");
  EXPECT_EQ(names("/a/b", "d=2/c"), "d=2/c/x ");
  EXPECT_EQ(names("/a/b", "none"), "");
  EXPECT_EQ(env.list_tree("/a/b")->front().size_bytes, 2u);
  EXPECT_EQ(env.list_tree("/a/none").error().code, "io.not_found");
}

TEST(MemoryEnv, AListingTellsWhenAFileWasWritten) {
  MemoryEnv env(1'000);
  ASSERT_TRUE(env.create_directories("/a").ok());
  ASSERT_TRUE(env.write_file("/a/b", "one").ok());
  env.advance(500);
  EXPECT_EQ(env.list_directory("/a").value()[0].modified_micros, 1'000);
  auto file = env.append_file("/a/b");
  ASSERT_TRUE((*file)->append("more").ok());
  EXPECT_EQ(env.list_directory("/a").value()[0].modified_micros, 1'500);
}

TEST(MemoryEnv, ALockIsHeldOnceAndGoesWithItsObject) {
  MemoryEnv env;
  auto lock = env.lock_file("/lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(env.lock_file("/lock").error().code, "io.locked");
  EXPECT_TRUE(env.lock_file("/other").ok());
  lock->reset();
  EXPECT_TRUE(env.lock_file("/lock").ok());
}

TEST(MemoryEnv, TimeMovesOnlyWhenToldAndChanceIsSeeded) {
  MemoryEnv env(1'000'000, 7);
  EXPECT_EQ(env.now_micros(), 1'000'000);
  env.advance(5);
  EXPECT_EQ(env.now_micros(), 1'000'005);
  EXPECT_EQ(env.monotonic_micros(), 5);
  MemoryEnv same(0, 7);
  MemoryEnv other(0, 8);
  const std::string uuid = env.new_uuid();
  EXPECT_EQ(same.new_uuid(), uuid);
  EXPECT_NE(other.new_uuid(), uuid);
}

}  // namespace
}  // namespace shoplake::io
