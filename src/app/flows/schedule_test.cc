// When schedules run: EventBridge's expressions, table-driven, over clock changes.
#include "app/flows/schedule.h"

#include <gtest/gtest.h>

#include "app/time_zone.h"
#include "base/moment.h"

namespace shoplake::app {
namespace {

std::vector<std::string> times(const std::string& expression, const std::string& zone, const std::string& after,
                               int count) {
  const auto schedule = Schedule::parse(expression);
  EXPECT_TRUE(schedule.ok()) << (schedule.ok() ? "" : base::to_string(schedule.error()));
  const auto read = read_time_zone(io::posix_env(), zone);
  EXPECT_TRUE(read.ok());
  std::vector<std::string> found;
  std::optional<std::int64_t> at = base::parse_timestamp(after);
  for (int i = 0; i < count && at; ++i) {
    at = schedule->next(*at, *read);
    found.push_back(at ? base::timestamp_text(*at) : "never");
  }
  return found;
}

struct Case {
  const char *expression, *zone, *after;
  std::vector<std::string> expected;
};

TEST(Schedule, RunsWhenItSays) {
  const Case cases[] = {
      {"cron(0 6 * * ? *)", "UTC", "2026-11-21T06:00:00Z", {"2026-11-22T06:00:00Z", "2026-11-23T06:00:00Z"}},
      {"cron(0 6 * * ? *)", "UTC", "2026-11-21T05:59:59Z", {"2026-11-21T06:00:00Z"}},
      {"cron(0/20 8-9 ? * MON-FRI *)", "UTC", "2026-11-20T09:20:00Z", {"2026-11-20T09:40:00Z", "2026-11-23T08:00:00Z"}},
      {"cron(15 10 L * ? 2027-2028)", "UTC", "2026-11-21", {"2027-01-31T10:15:00Z", "2027-02-28T10:15:00Z"}},
      {"cron(0 0 29 2 ? *)", "UTC", "2026-11-21", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
      {"cron(0 12 ? * 6L *)", "UTC", "2026-11-21", {"2026-11-27T12:00:00Z", "2026-12-25T12:00:00Z"}},
      {"cron(0 12 ? * 2#1 *)", "UTC", "2026-11-21", {"2026-12-07T12:00:00Z", "2027-01-04T12:00:00Z"}},
      {"cron(5 4 ? JAN,jul 1,SAT *)", "UTC", "2026-11-21", {"2027-01-02T04:05:00Z", "2027-01-03T04:05:00Z"}},
      {"cron(0 0 1 1 ? 2020)", "UTC", "2026-11-21", {"never"}},
      {"rate(6 hours)", "Europe/Berlin", "2026-11-21T05:00:00Z", {"2026-11-21T06:00:00Z", "2026-11-21T12:00:00Z"}},
      {"rate(1 day)", "UTC", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00Z"}},
      // Winter and summer; 02:30 does not exist on 2027-03-28, and comes twice on 2026-10-25.
      {"cron(0 6 * * ? *)", "Europe/Berlin", "2026-10-24", {"2026-10-24T04:00:00Z", "2026-10-25T05:00:00Z"}},
      {"cron(30 2 * * ? *)", "Europe/Berlin", "2027-03-27", {"2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"}},
      {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:00:00Z", {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
      {"cron(0 0 * * ? *)", "Asia/Kolkata", "2026-11-21", {"2026-11-21T18:30:00Z"}},
  };
  for (const Case& each : cases)
    EXPECT_EQ(times(each.expression, each.zone, each.after, static_cast<int>(each.expected.size())), each.expected)
        << each.expression << " " << each.zone;
}

TEST(Schedule, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"every day", "neither cron"},          {"cron(0 6 * * ?)", "5 fields"},
      {"cron(60 6 * * ? *)", "minutes"},      {"cron(0 6 * * * *)", "one of day-of-month and day-of-week"},
      {"cron(0 6 ? * ? *)", "one of"},        {"cron(0 6 32 * ? *)", "day-of-month"},
      {"cron(0 6 ? * FRO *)", "day-of-week"}, {"cron(0 6 15W * ? *)", "day-of-month"},
      {"cron(0/0 6 * * ? *)", "minutes"},     {"cron(0 9-8 * * ? *)", "hours"},
      {"cron(0 6 ? * 2#6 *)", "n-th day"},    {"rate(0 hours)", "a rate is"},
      {"rate(6 weeks)", "a rate is"},         {"rate(99999999999 days)", "a rate is"},
  };
  for (const auto& [expression, what] : cases) {
    const auto schedule = Schedule::parse(expression);
    ASSERT_FALSE(schedule.ok()) << expression;
    EXPECT_EQ(schedule.error().code, "flow.bad_schedule");
    EXPECT_NE(schedule.error().message.find(what), std::string::npos) << schedule.error().message;
  }
}

}  // namespace
}  // namespace shoplake::app
