#include "base/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace shoplake::base {
namespace {

std::optional<std::string> decoded(std::string_view encoded) {
  std::string out = "kept ";
  if (!base64_decode(encoded, out)) {
    EXPECT_EQ(out, "kept ");
    return std::nullopt;
  }
  EXPECT_TRUE(out.starts_with("kept "));
  return out.substr(5);
}

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(decoded(encoded), plain);
  }
}

TEST(Base64, DecodesWhatItEncodes) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 400; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random());
    EXPECT_EQ(decoded(base64_encode(bytes)), bytes) << size;
  }
}

// Every byte that is no digit is found, wherever it stands.
TEST(Base64, RefusesEveryOtherByteAtEveryPlace) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string good = base64_encode(std::string(150, '\x5a'));
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_digit = kDigits.find(static_cast<char>(byte)) != std::string_view::npos;
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      const bool pads = byte == '=' && at == good.size() - 1;
      if (!pads) {
        ASSERT_EQ(decoded(text).has_value(), is_digit) << byte << " at " << at;
      }
    }
  }
}

TEST(Base64, IsStrict) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Zm9", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9v",
                          "Zh==", "Zm9=", "Zm9v====", "=m9v", "Zm-_"}) {
    EXPECT_FALSE(decoded(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace shoplake::base
