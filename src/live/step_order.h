// The steps of a batch side by side, each when those that it needs are done.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/result.h"

namespace shoplake::live {

using base::Result;

// `work(step, worker)` for each of the steps 0 to after.size() - 1, by `workers` threads, the caller's among them; a
// worker does one step at a time. after[step] names earlier steps that must be done before. Of the steps that can begin
// the one with the longest way to the end does, of equals the first: so one worker takes them in an order that is
// always the same. Error: of the first step, by number, that failed; no step was begun after that, and those that had
// begun were ended.
Result<void> run_in_order(const std::vector<std::vector<std::size_t>>& after, std::size_t workers,
                          const std::function<Result<void>(std::size_t step, std::size_t worker)>& work);

}  // namespace shoplake::live
