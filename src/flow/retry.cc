#include "flow/retry.h"

#include <algorithm>
#include <cmath>

#include "base/moment.h"

namespace shoplake::flow {

namespace {

// Errors that States.ALL does not stand for: trying again changes nothing about them.
bool is_terminal(std::string_view error) { return error == "States.Runtime" || error == "States.DataLimitExceeded"; }

}  // namespace

bool matches(const std::vector<std::string>& names, std::string_view error) {
  return std::ranges::any_of(names, [&](const std::string& name) {
    if (name == error)
      return true;
    if (name == "States.ALL")
      return !is_terminal(error);
    if (name == "States.TaskFailed")
      return error != "States.Timeout" && !is_terminal(error);
    return name == "States.Timeout" && error == "States.HeartbeatTimeout";
  });
}

std::int64_t delay_micros(const Retrier& retrier, std::int64_t retry, io::Env& env) {
  constexpr double kDelaySecondsMax = 31'622'400;
  double seconds =
      static_cast<double>(retrier.interval_seconds) * std::pow(retrier.backoff_rate, static_cast<double>(retry - 1));
  seconds = std::min(
      seconds, static_cast<double>(retrier.delay_seconds_max.value_or(static_cast<std::int64_t>(kDelaySecondsMax))));
  const auto micros = static_cast<std::int64_t>(seconds * static_cast<double>(base::kMicrosPerSecond));
  return retrier.full_jitter ? static_cast<std::int64_t>(env.random_uint64() % static_cast<std::uint64_t>(micros + 1))
                             : micros;
}

}  // namespace shoplake::flow
