// What must hold of whatever collect_ga4() made of a request.
#pragma once

#include "collect/ga4_collect.h"

namespace shoplake::fuzz {

inline constexpr std::int64_t kReceivedAtMicros = 1'746'818'000'123'456;

// Every row is one line of JSON with what the contract of events requires, and rows are not larger than their hits can
// explain.
void check_rows(const collect::Ga4Result& result, std::size_t request_bytes);

}  // namespace shoplake::fuzz
