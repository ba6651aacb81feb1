// How data pass through a state: InputPath and Parameters before it runs, ResultSelector, ResultPath and OutputPath
// after. Pure functions. Errors: States.Runtime (a path finds nothing where something must be),
// States.ParameterPathFailure, States.IntrinsicFailure, States.ResultPathMatchFailure, States.DataLimitExceeded; the
// message is the cause. Source: https://states-language.net/spec.html (Input and Output Processing).
#pragma once

#include <cstdint>

#include "base/result.h"
#include "flow/definition.h"
#include "flow/intrinsic.h"
#include "flow/json.h"

namespace shoplake::flow {

// The raw input through InputPath. scope.input is the raw input.
base::Result<Json> through_input_path(const State& state, const Scope& scope);
// That through Parameters; scope.input is the outcome of through_input_path().
base::Result<Json> through_parameters(const State& state, const Scope& scope);

// The state's output from its result: ResultSelector, ResultPath into the raw input, OutputPath.
base::Result<Json> output_of(const State& state, const Json& raw_input, Json result, const Scope& scope);
// OutputPath alone, for states that have no result.
base::Result<Json> through_output_path(const State& state, Json value, const Scope& scope);

// The input of the state that a catcher goes to: {"Error", "Cause"} at its ResultPath.
base::Result<Json> caught_input(const Catcher& catcher, const Json& raw_input, const std::string& error,
                                const std::string& cause);

// A Wait state's time, in microseconds since 1970.
base::Result<std::int64_t> wait_until(const State& state, const Scope& scope, std::int64_t now_micros);

// A number of seconds that a path names (TimeoutSecondsPath and its like), at least `min`.
base::Result<std::int64_t> seconds_at(const JsonPath& path, std::string_view field, std::int64_t min,
                                      const Scope& scope);

}  // namespace shoplake::flow
