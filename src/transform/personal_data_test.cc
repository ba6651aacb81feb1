#include "transform/personal_data.h"

#include <gtest/gtest.h>

namespace shoplake::transform {
namespace {

std::string masked(std::string_view text) {
  std::string scratch;
  return std::string(treated(text, contract::Treatment::mask, scratch));
}

TEST(PersonalDataTest, MasksAddressesAndNothingElse) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"no address", "no address"},
      {"jo@example.com", "[email]"},
      {"mail Jo.Doe+x@mail.example.co.uk, please.", "mail [email], please."},
      {"https://x.example/?email=jo%40example.com&b=1", "https://x.example/?email=[email]&b=1"},
      {"https://x.example/?u=email%3Djo%40example.com%26b%3D1", "https://x.example/?u=email%3D[email]%26b%3D1"},
      {"https://x.example/?u=jo%2Bx%40example.com", "https://x.example/?u=[email]"},
      {"https://x.example/?u=jo%2540example.com", "https://x.example/?u=[email]"},
      {"a@b.example;c@d.example", "[email];[email]"},
      {"jörg@exämple.de", "[email]"},
      {"{\"a\":\"jo\\u0040example.com\"}", "{\"a\":\"[email]\"}"},
      {"https://medium.com/@someone/post", "https://medium.com/@someone/post"},
      {"https://maps.example/@40.7,-74.0,15z", "https://maps.example/@40.7,-74.0,15z"},
      {"logo@2x.png", "logo@2x.png"},
      {"user@host", "user@host"},
      {"@", "@"},
      {"a@", "a@"},
      {"100%40", "100%40"},
      {"%40%40%40", "%40%40%40"},
      {"a@b@c.example", "a@[email]"},
  };
  for (const auto& [given, expected] : cases)
    EXPECT_EQ(masked(given), expected) << given;
}

TEST(PersonalDataTest, OtherTreatments) {
  std::string scratch;
  EXPECT_EQ(treated("jo@example.com", contract::Treatment::keep, scratch), "jo@example.com");
  const std::string one(treated("Jo@Example.com", contract::Treatment::pseudonymize, scratch));
  const std::string two(treated("jo%40example.com", contract::Treatment::pseudonymize, scratch));
  EXPECT_EQ(one, two);
  EXPECT_EQ(one.substr(0, 6), "email:");
  EXPECT_EQ(treated("user-8", contract::Treatment::pseudonymize, scratch), "user-8");
  // RFC 4231, test case 2.
  EXPECT_EQ(treated("what do ya want for nothing?", contract::Treatment::hash, scratch, "Jefe"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(PersonalDataTest, TruncatesAddresses) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"203.0.113.77", "203.0.113.0"},
      {"2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::"},
      {"::ffff:203.0.113.77", "::ffff:203.0.113.0"},
      {"::1", "::"},
      {"203.0.113.77, 10.0.0.1", "[removed]"},
      {"203.0.113", "[removed]"},
      {"Jane Doe", "[removed]"},
      {"", "[removed]"},
  };
  std::string scratch;
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(treated(text, contract::Treatment::truncate_ip, scratch), expected) << text;
}

}  // namespace
}  // namespace shoplake::transform
