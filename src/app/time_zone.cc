#include "app/time_zone.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/moment.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr char kZoneFolder[] = "/usr/share/zoneinfo";
constexpr std::size_t kNameBytesMax = 64;

}  // namespace

bool is_zone_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '/' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '/';
  });
}

Result<collect::TimeZone> read_time_zone(io::Env& env, const std::string& name) {
  if (name == "UTC")
    return collect::TimeZone();
  const std::string path = io::join_path(kZoneFolder, name);
  if (!is_zone_name(name) || !SHOPLAKE_TRY(env.exists(path)) || SHOPLAKE_TRY(env.is_directory(path))) {
    return base::make_error(base::ErrorKind::usage, "time_zone.unknown",
                            fmt::format("this machine knows no time zone {}", name),
                            "Write an IANA name such as Europe/Berlin, and install tzdata if it is missing.");
  }
  return collect::TimeZone::parse(SHOPLAKE_TRY(env.read_file(path)));
}

std::int64_t local_day(const collect::TimeZone& zone, std::int64_t at_micros) {
  return base::day_of(at_micros + zone.offset_seconds(at_micros / base::kMicrosPerSecond) * base::kMicrosPerSecond);
}

}  // namespace shoplake::app
