// Retriers and catchers: which errors their names stand for, and how long to wait before a retry. Pure but for the
// random numbers of jitter. Source: the Amazon States Language, "Errors".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flow/definition.h"
#include "io/env.h"

namespace shoplake::flow {

// Whether one of the names of a retrier's or catcher's ErrorEquals stands for the error.
bool matches(const std::vector<std::string>& names, std::string_view error);

// The wait before the retry of that number, from 1.
std::int64_t delay_micros(const Retrier& retrier, std::int64_t retry, io::Env& env);

}  // namespace shoplake::flow
