// How numbers look to people: thousands separators, binary units, two figures for durations. Reports and bars use these
// and nothing else, so that the same quantity looks the same everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace shoplake::cli {

std::string format_count(std::int64_t count);                // 1,234,567
std::string format_amount(double amount, int decimals = 2);  // 1,234.50
std::string format_bytes(std::uint64_t bytes);               // 512 B, 1.5 KiB, 412.0 MiB
std::string format_duration(std::int64_t micros);  // 0.41 ms, 41 ms, 0.41 s, 4.1 s, 41 s, 4 min 10 s, 3 h 5 min
std::string format_rate(std::uint64_t amount, std::int64_t micros,
                        const char* unit);                         // 310 MiB/s for unit "B", 1,200 rows/s else
std::string format_minute(std::int64_t micros);                    // 2026-11-21 10:05, UTC
std::string format_percent(double share, bool with_sign = false);  // 0.1234 → 12.3 %; +12.3 % with sign
// "1 row", "2 rows": the plural of regular nouns.
std::string format_noun(std::int64_t count, const char* noun);

}  // namespace shoplake::cli
