// Dates and moments as the JSON API spells them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoplake::serve {

// "2026-11-20"; no value for anything else, or a day before 1900.
std::optional<std::chrono::sys_days> parse_date(std::string_view text);
std::string format_date(std::chrono::sys_days date);

// Microseconds since 1970-01-01 UTC as "2026-11-20T23:59:58Z".
std::string format_moment(std::int64_t micros);

}  // namespace shoplake::serve
