// The text of JSON strings: RFC 8259, section 7.
#include "transform/json_string.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace shoplake::transform {
namespace {

std::optional<std::string> unescaped(const std::string& raw) {
  std::string out(raw.size(), '\0');
  std::size_t size = 0;
  if (!unescape(raw, out.data(), size))
    return std::nullopt;
  out.resize(size);
  return out;
}

TEST(JsonString, DecodesEscapes) {
  EXPECT_EQ(unescaped("plain"), "plain");
  EXPECT_EQ(unescaped(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(unescaped(R"(a\u0041b)"), "aAb");
  EXPECT_EQ(unescaped(R"(\u00e9\u20AC)"), "é€");
  EXPECT_EQ(unescaped(R"(\ud83d\ude00)"), "😀");
}

TEST(JsonString, RefusesWhatIsNoEscape) {
  for (const char* raw : {R"(\x41)", R"(\)", R"(\u12)", R"(\u12g4)", R"(\u-123)", R"(\ud83d)", R"(\ud83dx)",
                          R"(\ud83d\u0041)", R"(\ude00)"})
    EXPECT_EQ(unescaped(raw), std::nullopt) << raw;
}

TEST(JsonString, FindsABackslashAtEachPlace) {
  for (std::size_t size = 0; size < 20; ++size) {
    std::string text(size, 'a');
    EXPECT_FALSE(has_backslash(text.data(), text.size())) << size;
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\\';
      EXPECT_TRUE(has_backslash(text.data(), text.size())) << at << " of " << size;
      text[at] = '\xdc';  // a backslash but for one bit
      EXPECT_FALSE(has_backslash(text.data(), text.size())) << at << " of " << size;
      text[at] = 'a';
    }
  }
}

}  // namespace
}  // namespace shoplake::transform
