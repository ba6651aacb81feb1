// The bytes of a time zone file.

#include "collect/ga4_time_zone.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_time_zone(std::string_view bytes) {
  const auto zone = collect::TimeZone::parse(bytes);
  if (zone.ok()) {
    for (const std::int64_t at :
         {std::int64_t{-2'208'988'800}, std::int64_t{0}, std::int64_t{1'746'818'000}, std::int64_t{4'102'444'799}}) {
      const std::int32_t offset = zone->offset_seconds(at);
      SHOPLAKE_CHECK(offset > -8 * 86'400 && offset < 8 * 86'400);
    }
  }
  return 0;
}

}  // namespace shoplake::fuzz
