// A failed system call as an Error: the mapping from errno that every Env shares (see env.h for the codes).
#pragma once

#include <string_view>

#include "base/result.h"

namespace shoplake::io {

// `what` is the beginning of a sentence that `path` ends: "cannot open".
base::Error system_error(std::string_view what, std::string_view path, int error_number);

// io.locked: what Env::lock_file says of a lock that somebody else holds.
base::Error locked_error(std::string_view path);

}  // namespace shoplake::io
