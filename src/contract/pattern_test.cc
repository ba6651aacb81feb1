#include "contract/pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace shoplake::contract {
namespace {

TEST(PatternTest, MatchesWholeTexts) {
  struct Case {
    std::string_view pattern;
    std::string_view text;
    bool matches;
  };
  const Case cases[] = {
      {"C?[0-9]{6}", "536365", true},
      {"C?[0-9]{6}", "C536365", true},
      {"C?[0-9]{6}", "5363651", false},
      {"^[A-Z]{3}$", "EUR", true},
      {"^[A-Z]{3}$", "EURO", false},
      {"a|bc", "bc", true},
      {"a|bc", "ac", false},
      {"(a|b)*c", "ababc", true},
      {"(?:ab){2,3}", "abab", true},
      {"(?:ab){2,3}", "ab", false},
      {"(?:ab){2,}", "abababab", true},
      {"a+b?", "aa", true},
      {"", "", true},
      {"", "a", false},
      {".", "ü", true},
      {".{2}", "üß", true},
      {".", "\n", false},
      {"ü+", "üü", true},
      {"[^a]", "ü", true},
      {"[^a]", "a", false},
      {"\\d+\\.\\d", "12.5", true},
      {"\\w+@\\w+", "a_1@b", true},
      {"[\\w.-]+", "a-b.c", true},
      {"\\S+", "a b", false},
      {"[]a]+", "]a", true},
      {"[a-]", "-", true},
      {"\\$", "$", true},
      {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Case& c : cases) {
    const auto pattern = Pattern::parse(c.pattern);
    ASSERT_TRUE(pattern.ok()) << base::to_string(pattern.error());
    EXPECT_EQ(pattern->matches(c.text), c.matches) << c.pattern << " " << c.text;
  }
}

TEST(PatternTest, RefusesWhatItDoesNotKnow) {
  for (const char* wrong : {"(", ")", "[", "[b-a]", "a{2", "a{3,2}", "a**", "*", "\\", "\\b", "(?=a)", "\\1", "[ü]",
                            "a{2000}", "(((((a{50}){50}){50}){50}){50})"})
    EXPECT_EQ(Pattern::parse(wrong).error().code, "contract.pattern") << wrong;
  EXPECT_FALSE(Pattern::parse(std::string(100'000, '(')).ok());
}

// Small patterns and texts at random, compared with std::regex.
TEST(PatternTest, AgreesWithTheStandardLibrary) {
  std::mt19937 random(20261121);
  const auto pick = [&](std::string_view from) { return from[random() % from.size()]; };
  int compared = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (std::size_t length = 1 + random() % 8; length > 0; --length)
      text += pick("ab.*+?()|[]^-{}1");
    // A bracket that begins a class stands for itself here, as in POSIX and RE2.
    if (text.find("[]") != std::string::npos || text.find("[^]") != std::string::npos)
      continue;
    const auto pattern = Pattern::parse(text);
    if (!pattern.ok())
      continue;
    std::regex expected;
    try {
      expected = std::regex(text, std::regex::ECMAScript);
    } catch (const std::regex_error&) {
      continue;
    }
    Pattern::Matcher matcher(*pattern);
    for (int i = 0; i < 20; ++i) {
      std::string value;
      for (std::size_t length = random() % 6; length > 0; --length)
        value += pick("ab-1");
      ASSERT_EQ(matcher.matches(value), std::regex_match(value, expected)) << text << " " << value;
      ++compared;
    }
  }
  EXPECT_GT(compared, 5'000);
}

TEST(PatternTest, LongTextsAndManyStatesStayCheap) {
  const auto pattern = Pattern::parse("(a|b)*a(a|b){12}");
  ASSERT_TRUE(pattern.ok());
  std::mt19937 random(7);
  std::string text(20'000, 'b');
  for (char& c : text)
    c = random() % 2 == 0 ? 'a' : 'b';
  text[text.size() - 13] = 'a';
  EXPECT_TRUE(pattern->matches(text));
  text[text.size() - 13] = 'b';
  EXPECT_FALSE(pattern->matches(text));
}

}  // namespace
}  // namespace shoplake::contract
