#include "ga4api/exchange.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/log.h"
#include "http/address.h"

namespace shoplake::ga4api {
namespace {

using base::ErrorKind;
using base::make_error;
using std::chrono::milliseconds;

bool is_passing(const base::Error& error) {
  return error.code == "http.cannot_connect" || error.code == "http.timeout" || error.code == "http.broken" ||
         error.code == "http.truncated";
}

// Seconds; the form with a date is not used by Google's servers.
std::optional<milliseconds> retry_after(const http::Answer& answer) {
  const std::string_view text = answer.header("retry-after");
  std::int64_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > 1'000'000)
    return std::nullopt;
  return milliseconds(seconds * 1000);
}

}  // namespace

Pause interruptible_pause(std::stop_token stop) {
  return [stop = std::move(stop)](milliseconds duration) {
    std::mutex mutex;
    std::condition_variable_any nobody;
    std::unique_lock lock(mutex);
    nobody.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  };
}

bool Exchange::is_worth_repeating(const http::Answer& answer) {
  if (answer.status == 429) {
    // "Exhausted property tokens per hour. …" comes back after its hour; "Exhausted concurrent requests quota" at once.
    const std::string text = http::lower_case(answer.body);
    return text.find("token") == std::string::npos && text.find("per hour") == std::string::npos &&
           text.find("per day") == std::string::npos;
  }
  if (answer.status >= 500)
    return ++server_errors_ < kServerErrorsMax;
  return answer.status == 408;
}

milliseconds Exchange::jittered_pause(int attempt) {
  const milliseconds longest =
      std::min<milliseconds>(options_.pause_max, options_.pause_base * (1LL << std::min(attempt - 1, 20)));
  if (longest.count() <= 0)
    return milliseconds(0);
  return milliseconds(env_.random_uint64() % (static_cast<std::uint64_t>(longest.count()) + 1));
}

Result<http::Answer> Exchange::send(const http::Call& call, const Check& check) {
  for (int attempt = 1;; ++attempt) {
    ++requests_;
    auto answer = transport_.send(call);
    bool again = false;
    std::string reason;
    milliseconds pause = jittered_pause(attempt);
    if (!answer.ok()) {
      again = is_passing(answer.error());
      reason = answer.error().code;
    } else if (answer->status == 200) {
      auto checked = check(*answer);
      if (checked.ok())
        return answer;
      again = true;
      reason = checked.error().code;
      answer = std::move(checked).error();
    } else {
      reason = std::to_string(answer->status);
      again = is_worth_repeating(*answer);
      const auto wanted = retry_after(*answer);
      again = again && wanted.value_or(milliseconds(0)) <= options_.pause_max;
      pause = std::max(pause, wanted.value_or(milliseconds(0)));
    }
    if (!again || attempt >= options_.attempts_max)
      return answer;
    ++retries_;
    base::log::info("ga4.retry", {{"attempt", attempt}, {"reason", reason}, {"pause_ms", pause.count()}});
    if (!pause_(pause))
      return make_error(ErrorKind::cancelled, "ga4.interrupted", "Interrupted while waiting to ask again", "");
  }
}

}  // namespace shoplake::ga4api
