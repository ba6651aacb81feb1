// RawCopy: what is read before it is synced, what is placed, and what an error leaves behind.

#include "ingest/raw_object.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "io/faulty_env.h"
#include "io/temporary_directory.h"

namespace shoplake::ingest {
namespace {

class RawCopyTest : public testing::Test {
 protected:
  std::string make_source(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<char>(i * 31 + i / 251);
    std::ofstream(directory_.file("source"), std::ios::binary) << bytes;
    return bytes;
  }

  Result<std::unique_ptr<RawCopy>> make(io::Env& env = io::posix_env(), std::stop_token stop = {}) {
    return RawCopy::make(env, directory_.file("source"), directory_.file("tmp"), std::move(stop));
  }

  bool is_tmp_empty() {
    return !std::filesystem::exists(directory_.file("tmp")) || std::filesystem::is_empty(directory_.file("tmp"));
  }

  io::TemporaryDirectory directory_;
};

// All bytes of a file in reads of one size, the last of which reaches past its end.
std::string read_all(const io::RandomAccessFile& file, std::size_t size) {
  std::string bytes;
  std::string piece(size, '\0');
  while (true) {
    const auto got = file.read(bytes.size(), size, piece.data());
    EXPECT_TRUE(got.ok());
    if (!got.ok() || *got == 0)
      return bytes;
    bytes.append(piece, 0, *got);
  }
}

TEST_F(RawCopyTest, IsReadBeforeItIsSynced) {
  for (const std::size_t size : {0UL, 1UL, 100UL, 65'536UL, 65'537UL, 1'048'576UL, 5'000'001UL}) {
    SCOPED_TRACE(size);
    const std::string bytes = make_source(size);
    const auto copy = make();
    ASSERT_TRUE(copy.ok());
    EXPECT_EQ(read_all((*copy)->file(), 300'000), bytes);
    EXPECT_EQ((*copy)->md5().value(), base::md5_hex(bytes));
    EXPECT_EQ((*copy)->size_bytes(), size);
  }
  EXPECT_TRUE(is_tmp_empty());
}

TEST_F(RawCopyTest, PlacesWhatItCopied) {
  const std::string bytes = make_source(3'000'001);
  {
    const auto copy = make();
    ASSERT_TRUE(copy.ok());
    (*copy)->begin_sync();
    ASSERT_TRUE((*copy)->place(directory_.file("raw/a/b.gz")).ok());
  }
  EXPECT_EQ(read_all(**io::posix_env().open_file(directory_.file("raw/a/b.gz")), 4'000'000), bytes);
  EXPECT_TRUE(is_tmp_empty());
}

TEST_F(RawCopyTest, ErrorsLeaveNothing) {
  make_source(5'000'000);
  using Operation = io::FaultyEnv::Operation;
  for (const Operation operation : {Operation::read, Operation::write, Operation::close}) {
    io::FaultyEnv env(io::posix_env());
    env.fail(operation, 1, EIO);
    EXPECT_FALSE(make(env).ok()) << static_cast<int>(operation);
    EXPECT_TRUE(is_tmp_empty());
  }
  {  // the copy is read again for its MD5
    io::FaultyEnv env(io::posix_env());
    const auto copy = make(env);
    ASSERT_TRUE(copy.ok());
    EXPECT_EQ((*copy)->md5().value(), (*copy)->md5().value());
    const int reads = env.count(Operation::read);
    env.fail(Operation::read, reads, EIO);  // the last one, if it is copied once more
    const auto again = make(env);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ((*again)->md5().error().kind, base::ErrorKind::environment);
  }
  EXPECT_TRUE(is_tmp_empty());
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(make(io::posix_env(), stopped.get_token()).error().code, "ingest.cancelled");
  EXPECT_TRUE(is_tmp_empty());
}

}  // namespace
}  // namespace shoplake::ingest
