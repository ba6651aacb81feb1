// When something runs again: the expressions of Amazon EventBridge Scheduler.
//
//   cron(minutes hours day-of-month month day-of-week year)   cron(0 6 * * ? *)   cron(0/15 8-18 ? * MON-FRI *)
//   rate(value unit)                                          rate(6 hours)
//
// Of cron: * ? , - / names of months and days, L (last day of the month), nL and n#k of days of the week (1 is Sunday);
// one of day-of-month and day-of-week is ?. Times are those of a time zone: one that does not exist (clocks go forward)
// is left out, one that comes twice counts once, the first time. Rates count from 1970-01-01 00:00 of the zone's clock
// as it is then in UTC, so that they do not move when a process starts: rate(6 hours) is at 0, 6, 12 and 18 hours UTC.
//
// A Schedule is a value. Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "collect/ga4_time_zone.h"

namespace shoplake::app {

class Schedule {
 public:
  // Error flow.bad_schedule (usage): what is wrong where.
  static base::Result<Schedule> parse(std::string_view expression);

  // The first time after `after_micros`, both in microseconds since 1970; nothing if there is none before the year
  // 2200.
  std::optional<std::int64_t> next(std::int64_t after_micros, const collect::TimeZone& zone) const;

 private:
  struct Cron {
    std::bitset<60> minutes;
    std::bitset<24> hours;
    std::bitset<32> days;                       // of the month, 1 to 31
    std::bitset<13> months;                     // 1 to 12
    std::bitset<8> weekdays;                    // 1 is Sunday
    std::bitset<231> years;                     // since 1970
    bool any_day = false, any_weekday = false;  // ?
    bool last_day = false;
    int last_weekday = 0;                   // nL; 0: none
    int nth_weekday = 0, nth_of_month = 0;  // n#k

    bool takes(std::int64_t day) const;
  };
  static base::Result<Cron> parse_cron(std::string_view fields, std::string_view expression);

  std::optional<Cron> cron_;
  std::int64_t rate_micros_ = 0;
};

}  // namespace shoplake::app
