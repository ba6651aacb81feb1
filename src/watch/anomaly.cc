#include "watch/anomaly.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace shoplake::watch {

std::optional<double> deviation(std::span<const DailyRate> newest_first) {
  if (newest_first.empty() || newest_first[0].trials <= 0)
    return {};
  std::vector<double> before;
  for (const DailyRate& day : newest_first.subspan(1)) {
    if (day.trials > 0 && before.size() < kBaselineDaysMax)
      before.push_back(day.hits / day.trials);
  }
  if (before.size() < kBaselineDaysMin)
    return {};
  const double count = static_cast<double>(before.size());
  double mean = 0;
  for (const double rate : before)
    mean += rate / count;
  double variance = 0;
  for (const double rate : before)
    variance += (rate - mean) * (rate - mean) / (count - 1);
  const double chance = std::max(0.0, mean * (1 - mean)) / newest_first[0].trials;
  const double spread = std::sqrt(std::max(variance, chance));
  const double distance = std::fabs(newest_first[0].hits / newest_first[0].trials - mean);
  if (spread <= 0)  // a rate that never was anything but 0 or 1
    return distance <= 0 ? 0.0 : std::sqrt(newest_first[0].trials);
  return distance / spread;
}

}  // namespace shoplake::watch
