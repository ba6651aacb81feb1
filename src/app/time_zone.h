// Time zones of this machine by their IANA names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "collect/ga4_time_zone.h"
#include "io/env.h"

namespace shoplake::app {

// "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5": whether it may become the name of a file. A name may
// come from a server: it must not lead out of the machine's folder of zones.
bool is_zone_name(std::string_view name);

// "Europe/Berlin"; "UTC" needs no file. Error time_zone.unknown (usage): the machine does not know the zone.
base::Result<collect::TimeZone> read_time_zone(io::Env& env, const std::string& name);

// The day of the zone's calendar at a moment, as days since 1970-01-01.
std::int64_t local_day(const collect::TimeZone& zone, std::int64_t at_micros);

}  // namespace shoplake::app
