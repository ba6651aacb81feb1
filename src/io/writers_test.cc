#include "io/writers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace shoplake::io {
namespace {

class WritersTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(path_) << "content";
    if (writers_of(path_) == Writers::unknown)
      GTEST_SKIP() << "the file system of " << path_ << " cannot tell";
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("file.csv");
};

TEST_F(WritersTest, SeesWhoHasTheFileOpen) {
  EXPECT_EQ(writers_of(path_), Writers::none);
  const int reader = ::open(path_.c_str(), O_RDONLY);
  EXPECT_EQ(writers_of(path_), Writers::none) << "who reads does not count";
  const int writer = ::open(path_.c_str(), O_WRONLY | O_APPEND);
  EXPECT_EQ(writers_of(path_), Writers::some);
  ::close(writer);
  EXPECT_EQ(writers_of(path_), Writers::none);
  ::close(reader);
}

TEST_F(WritersTest, SeesWhoHasItMappedAndWhoRenamedIt) {
  const int writer = ::open(path_.c_str(), O_RDWR);
  void* const mapped = ::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  ::close(writer);
  EXPECT_EQ(writers_of(path_), Writers::some);
  const std::string renamed = directory_.file("renamed.csv");
  ASSERT_EQ(::rename(path_.c_str(), renamed.c_str()), 0);
  EXPECT_EQ(writers_of(renamed), Writers::some) << "a name is no proof";
  ::munmap(mapped, 7);
  EXPECT_EQ(writers_of(renamed), Writers::none);
}

TEST_F(WritersTest, IsUnknownWhereThereIsNoFile) {
  EXPECT_EQ(writers_of(directory_.file("none")), Writers::unknown);
  EXPECT_EQ(writers_of("/proc/self/stat"), Writers::unknown);
  EXPECT_EQ(writers_of("s3://bucket/key"), Writers::unknown);
}

// Asking neither ends this process (by the signal of a lease that is broken) nor keeps a writer out.
TEST_F(WritersTest, DisturbsNoWriter) {
  std::atomic<bool> stop = false;
  std::jthread asks([&] {
    while (!stop)
      (void)writers_of(path_);
  });
  for (int i = 0; i < 2'000; ++i) {
    const int writer = ::open(path_.c_str(), O_WRONLY | O_APPEND);
    ASSERT_GE(writer, 0);
    ASSERT_EQ(::write(writer, "x", 1), 1);
    ::close(writer);
  }
  stop = true;
}

}  // namespace
}  // namespace shoplake::io
