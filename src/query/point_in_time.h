// The moment that `--at` names: a snapshot's id, or a time.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/result.h"

namespace shoplake::query {

struct SnapshotId {
  std::int64_t value = 0;
};
struct Moment {
  std::int64_t milliseconds = 0;  // since 1970-01-01 UTC
};
using PointInTime = std::variant<SnapshotId, Moment>;

// "8271638172635" (digits alone: a snapshot), "2026-11-21" (that midnight), "2026-11-21 10:30",
// "2026-11-21T10:30:15.5+02:00". Without a zone a time is UTC. Error: query.bad_time (kind usage).
base::Result<PointInTime> parse_point_in_time(const std::string& text);

// "2026-11-21 10:30:15.500 UTC".
std::string format_moment(Moment moment);

}  // namespace shoplake::query
