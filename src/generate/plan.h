// Who visits when: every visit of the generated days, as small records made user by user from the seed.
//
// Users are first seen on any day from kReturnDays before the first generated day to the last one, so that the first
// day already has returning visitors; they return by return_chance(). Some visits are made without a connection and
// arrive one or two days late, in a later day's file with their own event_date. A visit that lasts over midnight
// belongs to both days, each with its part. The plan takes about 40 bytes a visit (10 million events: 35 MB); nothing
// else of the generator grows with the number of events.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace shoplake::generate {

// The property's time zone: a fixed five hours behind UTC (as in Bogotá and Jamaica), so that event_date is not the UTC
// day.
inline constexpr std::int64_t kTimeZoneSeconds = -5 * 3600;
inline constexpr std::int64_t kDaySeconds = 86'400;

struct PlannedVisit {
  std::uint32_t user;
  std::uint32_t second;     // local, of its day
  std::uint32_t ltv_cents;  // USD that the user spent in earlier generated visits
  std::int16_t day;         // 0 is the first generated day
  std::int16_t file_day;    // the day in whose file it stands
  std::uint16_t number;     // ga_session_number
  std::uint16_t lines;      // how many lines of it stand in that file
  std::uint8_t channel;
  std::uint8_t
      last_non_direct;  // channel of the user's last visit that was not direct, this one included; kDirect if none
  std::uint8_t first_channel;
  std::uint8_t late_days;
  bool part_of_day;  // lasts over midnight: only events of file_day
};

struct User {
  std::uint64_t seed;
  std::int32_t first_day;
  std::uint32_t first_second;
  std::uint8_t device;
  std::uint8_t place;
  bool consents;
  bool has_account;
  bool is_member;
  bool in_app;
};

struct Plan {
  std::int64_t first_day = 0;           // days since 1970-01-01
  std::vector<PlannedVisit> visits;     // in the order of the output
  std::vector<std::size_t> day_begins;  // index of each day's first visit, and the number of visits
  std::uint64_t users = 0;
  std::uint64_t sessions = 0;
  std::uint64_t purchases = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t late_visits = 0;
};

User make_user(std::uint64_t seed, std::uint32_t number, std::int64_t first_day, int days);
std::uint64_t visit_seed(const User& user, std::uint32_t number);

// Visits with `events` lines altogether over `days` days from `first_day`.
Plan make_plan(std::uint64_t seed, std::uint64_t events, int days, std::int64_t first_day);

}  // namespace shoplake::generate
