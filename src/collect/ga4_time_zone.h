// A time zone as the offset from UTC at any moment, read from the bytes of a TZif file (/usr/share/zoneinfo/<name>).
// Source: RFC 9636.
//
// Thread safe once it was made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::collect {

class TimeZone {
 public:
  // UTC.
  TimeZone() = default;

  // Errors: collect.bad_time_zone (usage) for bytes that are no TZif file of version 2 or later.
  static base::Result<TimeZone> parse(std::string_view tzif);

  // Seconds to add to UTC, at a moment in seconds since 1970-01-01 UTC.
  std::int32_t offset_seconds(std::int64_t at_seconds) const;

 private:
  // When daylight saving time begins or ends, each year.
  struct YearlyRule {
    enum class Form { day_of_year_without_leap, day_of_year, week_of_month } form = Form::week_of_month;
    int month = 0;
    int week = 0;
    int day = 0;
    std::int32_t seconds = 0;  // after local midnight; may be negative or more than a day

    std::int64_t at(int year) const;  // local seconds since 1970
  };
  bool parse_footer(std::string_view text);

  std::vector<std::int64_t> transitions_;  // ascending
  std::vector<std::int32_t> offsets_;      // from that transition on
  std::int32_t first_offset_ = 0;          // before the first transition
  // After the last transition.
  std::int32_t standard_offset_ = 0;
  std::int32_t summer_offset_ = 0;
  bool has_summer_time_ = false;
  YearlyRule summer_begins_;
  YearlyRule summer_ends_;
};

}  // namespace shoplake::collect
