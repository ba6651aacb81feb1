// A failed system call as an Error: the mapping from errno that every Env shares (see env.h for the codes).
#pragma once

#include <string_view>

#include "base/result.h"

namespace shoplake::io {

// `what` is the beginning of a sentence that `path` ends: "cannot open".
base::Error system_error(std::string_view what, std::string_view path, int error_number);

}  // namespace shoplake::io
