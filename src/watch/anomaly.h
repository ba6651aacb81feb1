// How unusual a daily rate is: its distance from the days before in standard deviations. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace shoplake::watch {

// Days that a day is compared with, at most and at least.
inline constexpr std::size_t kBaselineDaysMax = 28;
inline constexpr std::size_t kBaselineDaysMin = 7;

struct DailyRate {
  double hits = 0;    // conversions
  double trials = 0;  // sessions
};

// The absolute distance of the newest day's rate from the mean of the days before, by their spread. The spread is at
// least that of chance: sqrt(p (1 - p) / trials) for the newest day's number of trials, so that small shops are not
// alarmed by single orders. No value with fewer than kBaselineDaysMin days before, or without trials.
std::optional<double> deviation(std::span<const DailyRate> newest_first);

}  // namespace shoplake::watch
