#include "base/moment.h"

#include <gtest/gtest.h>

namespace shoplake::base {
namespace {

TEST(MomentTest, ReadsTheSpellingsOfIso8601) {
  constexpr std::int64_t kNoon = 1'795'262'400'000'000;  // 2026-11-21T12:00:00Z
  const std::pair<std::string_view, std::optional<std::int64_t>> cases[] = {
      {"2026-11-21T12:00:00Z", kNoon},
      {"2026-11-21 12:00:00", kNoon},
      {"2026-11-21t12:00:00z", kNoon},
      {"2026-11-21T12:00", kNoon},
      {"2026-11-21T14:00:00+02:00", kNoon},
      {"2026-11-21T07:00:00-0500", kNoon},
      {"2026-11-21T17:30+05:30", kNoon},
      {"2026-11-21T13+01", std::nullopt},
      {"2026-11-21T13:00:00+01", kNoon},
      {"2026-11-21T12:00:00.5Z", kNoon + 500'000},
      {"2026-11-21T12:00:00,25", kNoon + 250'000},
      {"2026-11-21T12:00:00.123456789Z", kNoon + 123'456},
      {"2026-11-21", kNoon - 12 * 3'600'000'000},
      {"2026-11-21T11:59:60Z", kNoon},
      {"1969-12-31T23:59:59.999999Z", -1},
      {"0001-01-01T00:00:00Z", -62'135'596'800'000'000},
      {"0001-01-01T00:00:00+01:00", std::nullopt},
      {"9999-12-31T23:59:59.999999Z", 253'402'300'799'999'999},
      {"2026-02-29T00:00:00Z", std::nullopt},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000'000},
      {"2026-11-21T24:00:00Z", std::nullopt},
      {"2026-11-21T12:60:00Z", std::nullopt},
      {"2026-11-21T12:00:61Z", std::nullopt},
      {"2026-11-21T12:00:00.Z", std::nullopt},
      {"2026-11-21T12:00:00Zulu", std::nullopt},
      {"2026-11-21T12:00:00 +01:00", std::nullopt},
      {"2026-11-21 13:00:00 +0100", kNoon},
      {"2026-11-21 12:00:00 Z", kNoon},
      {"2026-11-21 12:00:00 ", std::nullopt},
      {"2026-11-21T12:00:00+1", std::nullopt},
      {"2026-11-21T12:00:00+25:00", std::nullopt},
      {"2026-11-21T", std::nullopt},
      {"2026-11-21X12:00:00Z", std::nullopt},
      {"2026-1-1", std::nullopt},
      {"21.11.2026", std::nullopt},
      {"", std::nullopt},
      {"yesterday", std::nullopt},
  };
  for (const auto& [text, micros] : cases)
    EXPECT_EQ(parse_timestamp(text), micros) << text;
}

TEST(MomentTest, TellsTheUnitOfANumberByItsMagnitude) {
  constexpr std::int64_t kSecond = 1'795'262'400;
  EXPECT_EQ(epoch_micros(kSecond), kSecond * 1'000'000);
  EXPECT_EQ(epoch_micros(kSecond * 1'000 + 5), kSecond * 1'000'000 + 5'000);
  EXPECT_EQ(epoch_micros(kSecond * 1'000'000 + 7), kSecond * 1'000'000 + 7);
  EXPECT_EQ(epoch_micros(kSecond * 1'000'000'000 + 7'999), kSecond * 1'000'000 + 7);
  EXPECT_EQ(epoch_micros(1'795'262'400.25), kSecond * 1'000'000 + 250'000);
  EXPECT_EQ(epoch_micros(1'795'262'400'000.5), kSecond * 1'000'000 + 500);
  EXPECT_EQ(epoch_micros(std::int64_t{0}), 0);
  EXPECT_EQ(epoch_micros(std::int64_t{-1}), -1'000'000);
  EXPECT_EQ(epoch_micros(INT64_MIN), INT64_MIN / 1'000);  // nanoseconds: the year 1677
  EXPECT_EQ(epoch_micros(1e300), std::nullopt);
}

TEST(MomentTest, KnowsTheCalendar) {
  EXPECT_EQ(parse_date("2026-11-21"), 20778);
  EXPECT_EQ(parse_date("20261121"), 20778);
  EXPECT_EQ(parse_date("1969-12-31"), -1);
  for (std::string_view bad : {"2026-11-31", "2026-00-10", "0000-01-01", "2026/11/21", "202611211", ""})
    EXPECT_EQ(parse_date(bad), std::nullopt) << bad;
  EXPECT_EQ(day_of_week(20778), 6);  // a Saturday
  EXPECT_EQ(day_of_week(0), 4);      // a Thursday
  EXPECT_EQ(day_of_week(-1), 3);
  EXPECT_EQ(day_of_week(-4), 7);
  EXPECT_EQ(day_of(-1), -1);
  EXPECT_EQ(day_of(kMicrosPerDay - 1), 0);
  EXPECT_EQ(date_text(20778), "2026-11-21");
  EXPECT_EQ(timestamp_text(1'795'262'400'000'000), "2026-11-21T12:00:00Z");
  EXPECT_EQ(timestamp_text(-1), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace shoplake::base
