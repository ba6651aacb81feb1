#include "live/spilled_bytes.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <numeric>

#include "io/faulty_env.h"
#include "io/temporary_directory.h"

namespace shoplake::live {
namespace {

std::vector<std::uint8_t> some(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  return bytes;
}

void expect_all(const SpilledBytes& spilled, const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> buffer;
  for (const auto& [offset, size] :
       {std::pair<std::size_t, std::size_t>{0, bytes.size()}, {1, 7}, {bytes.size() - 3, 3}, {bytes.size(), 0}}) {
    const auto read = spilled.read(offset, size, buffer);
    ASSERT_TRUE(read.ok()) << to_string(read.error());
    EXPECT_TRUE(std::equal(read->begin(), read->end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                           bytes.begin() + static_cast<std::ptrdiff_t>(offset + size)));
  }
}

TEST(SpilledBytes, ManyAreInAFileWithoutAName) {
  const io::TemporaryDirectory folder;
  const std::vector<std::uint8_t> bytes = some(200'000);
  const SpilledBytes spilled({&io::posix_env(), folder.path()}, bytes);
  EXPECT_EQ(spilled.memory_bytes(), 0u);
  EXPECT_EQ(spilled.size(), bytes.size());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  expect_all(spilled, bytes);
}

TEST(SpilledBytes, FewAndThoseWithoutAFolderStayInMemory) {
  const io::TemporaryDirectory folder;
  expect_all(SpilledBytes({&io::posix_env(), folder.path()}, some(100)), some(100));
  const SpilledBytes here({}, some(200'000));
  EXPECT_EQ(here.memory_bytes(), 200'000u);
  expect_all(here, some(200'000));
}

// Whatever fails while they are written, nothing is lost.
TEST(SpilledBytes, StayInMemoryWhereTheFileCannotBeWritten) {
  using Operation = io::FaultyEnv::Operation;
  const std::vector<std::uint8_t> bytes = some(200'000);
  for (const Operation operation :
       {Operation::create, Operation::open, Operation::remove, Operation::write, Operation::close}) {
    const io::TemporaryDirectory folder;
    io::FaultyEnv env(io::posix_env());
    env.fail(operation, 1, ENOSPC);
    const SpilledBytes spilled({&env, folder.path()}, bytes);
    EXPECT_EQ(spilled.memory_bytes(), bytes.size()) << "operation " << static_cast<int>(operation);
    expect_all(spilled, bytes);
  }
  const io::TemporaryDirectory folder;
  io::FaultyEnv env(io::posix_env());
  env.tear_write(1, 70'000);
  expect_all(SpilledBytes({&env, folder.path()}, bytes), bytes);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SpilledBytes, AnErrorOfReadingIsSaid) {
  const io::TemporaryDirectory folder;
  io::FaultyEnv env(io::posix_env());
  const SpilledBytes spilled({&env, folder.path()}, some(200'000));
  env.fail(io::FaultyEnv::Operation::read, 1, EIO);
  std::vector<std::uint8_t> buffer;
  EXPECT_FALSE(spilled.read(0, 10, buffer).ok());
  EXPECT_TRUE(spilled.read(0, 10, buffer).ok());
}

}  // namespace
}  // namespace shoplake::live
