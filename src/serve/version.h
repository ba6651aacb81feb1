// The version of shoplake, for answers and metrics: "0.1.0".
#pragma once

#include <string>

namespace shoplake::serve {

std::string shoplake_version();

}  // namespace shoplake::serve
