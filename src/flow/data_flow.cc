#include "flow/data_flow.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "flow/execution.h"

namespace shoplake::flow {

using base::Result;

namespace {

base::Error failure(std::string error, std::string cause) {
  return base::make_error(base::ErrorKind::failed, std::move(error), std::move(cause));
}

Result<Json> find(const JsonPath& path, const Scope& scope) {
  const Json& root = path.of_context() ? *scope.context : *scope.input;
  if (auto value = path.find(root))
    return *std::move(value);
  return failure("States.Runtime",
                 fmt::format("Invalid path '{}': No results for path: {}", path.text(), path.canonical()));
}

Result<Json> checked(const State& state, Json value) {
  const std::string text = compact(value);
  if (text.size() > kPayloadBytesMax) {
    return failure(
        "States.DataLimitExceeded",
        fmt::format(
            "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
            state.name));
  }
  if (json_depth(text) > kJsonDepthMax) {
    return failure("States.DataLimitExceeded",
                   fmt::format("The state/task '{}' returned a result that is nested more than {} deep.", state.name,
                               kJsonDepthMax));
  }
  return value;
}

}  // namespace

Result<Json> through_input_path(const State& state, const Scope& scope) {
  if (!state.input_path)
    return *scope.input;
  return state.input_path->path ? find(*state.input_path->path, scope) : Json::object();
}

Result<Json> through_parameters(const State& state, const Scope& scope) {
  if (!state.parameters)
    return *scope.input;
  return state.parameters->evaluate(scope);
}

Result<Json> through_output_path(const State& state, Json value, const Scope& scope) {
  if (!state.output_path)
    return checked(state, std::move(value));
  if (!state.output_path->path)
    return Json::object();
  return checked(state, SHOPLAKE_TRY(find(*state.output_path->path, {&value, scope.context, scope.env})));
}

Result<Json> output_of(const State& state, const Json& raw_input, Json result, const Scope& scope) {
  if (state.result_selector)
    result = SHOPLAKE_TRY(state.result_selector->evaluate({&result, scope.context, scope.env}));
  if (state.result_path) {
    if (!state.result_path->path) {
      result = raw_input;
    } else {
      Json whole = raw_input;
      SHOPLAKE_TRY(state.result_path->path->assign(whole, std::move(result)));
      result = std::move(whole);
    }
  }
  return through_output_path(state, std::move(result), scope);
}

Result<Json> caught_input(const Catcher& catcher, const Json& raw_input, const std::string& error,
                          const std::string& cause) {
  Json caught = {{"Error", error}, {"Cause", cause}};
  if (!catcher.result_path)
    return caught;
  if (!catcher.result_path->path)
    return raw_input;
  Json whole = raw_input;
  SHOPLAKE_TRY(catcher.result_path->path->assign(whole, std::move(caught)));
  return whole;
}

Result<std::int64_t> seconds_at(const JsonPath& path, std::string_view field, std::int64_t min, const Scope& scope) {
  const Json value = SHOPLAKE_TRY(find(path, scope));
  if (!value.is_number_integer()) {
    return failure("States.Runtime", fmt::format("The {} parameter cannot be parsed as a long value: {} == {}", field,
                                                 path.text(), compact(value)));
  }
  const auto seconds = value.get<std::int64_t>();
  if (seconds < min) {
    return failure("States.Runtime", fmt::format("The {} parameter references a {} value: {} == {}", field,
                                                 min == 0 ? "negative" : "non-positive", path.text(), seconds));
  }
  return seconds;
}

Result<std::int64_t> wait_until(const State& state, const Scope& scope, std::int64_t now_micros) {
  constexpr std::int64_t kMicros = 1'000'000;
  constexpr std::int64_t kDelaySecondsMax = std::numeric_limits<std::int32_t>::max();
  std::int64_t until = 0;
  if (state.wait_seconds || state.seconds_path) {
    const std::int64_t seconds = state.wait_seconds
                                     ? *state.wait_seconds
                                     : SHOPLAKE_TRY(seconds_at(*state.seconds_path, "SecondsPath", 0, scope));
    if (seconds > kDelaySecondsMax)
      return failure("States.Runtime", "Wait state delay is too long.");
    return now_micros + seconds * kMicros;
  }
  if (state.wait_until_micros) {
    until = *state.wait_until_micros;
  } else {
    const Json value = SHOPLAKE_TRY(find(*state.timestamp_path, scope));
    const auto parsed = value.is_string() ? parse_offset_date_time(value.get_ref<const std::string&>()) : std::nullopt;
    if (!parsed) {
      return failure("States.Runtime", fmt::format("The TimestampPath parameter does not reference a valid ISO-8601 "
                                                   "extended offset date-time format string: {} == {}",
                                                   state.timestamp_path->text(),
                                                   value.is_string() ? value.get<std::string>() : compact(value)));
    }
    until = *parsed;
  }
  if (until - now_micros > kDelaySecondsMax * kMicros)
    return failure("States.Runtime", "Wait state delay is too long.");
  return until;
}

}  // namespace shoplake::flow
