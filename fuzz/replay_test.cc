// Every target over its kept inputs, each whole and cut short.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "targets.h"

namespace shoplake::fuzz {
namespace {

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, HasNoFinding) {
  const std::filesystem::path folder =
      std::filesystem::path(SHOPLAKE_SOURCE_DIR) / "fuzz" / "corpus" / std::string(GetParam().name);
  GetParam().run({});
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    // A copy without spare capacity, so that a sanitizer sees a read beyond its end.
    const std::string input(bytes.str());
    EXPECT_EQ(GetParam().run(input), 0);
    for (const std::size_t size :
         {input.size() / 2, input.size() - input.size() / 8, input.size() - input.size() / 100}) {
      GetParam().run(std::string(input, 0, size));
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(kTargets),
                         [](const testing::TestParamInfo<Target>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace shoplake::fuzz
