#include "collect/ga4_time_zone.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

namespace shoplake::collect {
namespace {

std::string bytes_of(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// Against the C library, every 29 hours of two centuries.
TEST(TimeZone, AgreesWithTheCLibrary) {
  int compared = 0;
  for (const char* name : {"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe",
                           "America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin", "Pacific/Apia", "UTC"}) {
    const std::string bytes = bytes_of(name);
    if (bytes.empty()) {
      continue;  // tzdata is not part of every machine
    }
    const auto zone = TimeZone::parse(bytes);
    ASSERT_TRUE(zone.ok()) << name << ": " << base::to_string(zone.error());
    setenv("TZ", name, 1);
    tzset();
    for (std::int64_t at = -2'200'000'000; at < 4'102'444'800; at += 29 * 3600 + 17) {
      const std::time_t moment = at;
      std::tm local{};
      localtime_r(&moment, &local);
      ASSERT_EQ(zone->offset_seconds(at), local.tm_gmtoff) << name << " at " << at;
      ++compared;
    }
  }
  unsetenv("TZ");
  tzset();
  if (compared == 0) {
    GTEST_SKIP() << "this machine has no /usr/share/zoneinfo";
  }
}

TEST(TimeZone, IsUtcByDefault) {
  EXPECT_EQ(TimeZone().offset_seconds(0), 0);
  EXPECT_EQ(TimeZone().offset_seconds(1'700'000'000), 0);
}

TEST(TimeZone, RefusesWhatIsNoFile) {
  const std::string berlin = bytes_of("Europe/Berlin");
  for (std::size_t size = 0; size < berlin.size(); size += 7) {
    (void)TimeZone::parse(std::string_view(berlin).substr(0, size));  // reads nothing beyond its end
  }
  for (const std::string_view text : {"", "TZif", "TZif2", "Europe/Berlin\n"}) {
    const auto zone = TimeZone::parse(text);
    ASSERT_FALSE(zone.ok());
    EXPECT_EQ(zone.error().code, "collect.bad_time_zone");
  }
}

}  // namespace
}  // namespace shoplake::collect
