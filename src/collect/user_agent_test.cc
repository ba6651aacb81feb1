#include "collect/user_agent.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace shoplake::collect {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

TEST(UserAgent, TellsTheDevice) {
  std::ifstream cases(SHOPLAKE_SOURCE_DIR "/test/cases/user_agents.tsv");
  std::string line;
  int number = 0;
  int seen = 0;
  while (std::getline(cases, line)) {
    ++number;
    if (line.starts_with('#')) {
      continue;
    }
    std::vector<std::string> expected = split(line, '\t');
    ASSERT_GE(expected.size(), 8u) << "line " << number;
    expected.resize(9);
    std::vector<std::string> hints = split(expected[8], '^');
    hints.resize(5);
    const Device found = classify({.user_agent = expected[7],
                                   .brands = hints[0],
                                   .mobile = hints[1],
                                   .model = hints[2],
                                   .platform = hints[3],
                                   .platform_version = hints[4]});
    const std::vector<std::string> told = {std::string(found.category),
                                           std::string(found.operating_system),
                                           found.operating_system_version,
                                           std::string(found.browser),
                                           found.browser_version,
                                           std::string(found.brand),
                                           found.model};
    EXPECT_EQ(told, std::vector<std::string>(expected.begin(), expected.begin() + 7))
        << "line " << number << ": " << line;
    ++seen;
  }
  EXPECT_GE(seen, 35);
}

}  // namespace
}  // namespace shoplake::collect
