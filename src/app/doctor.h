// `shoplake doctor`: looks whether shoplake can work here, without changing anything but a probe file that it removes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

struct Check {
  enum class Status { ok, warning, problem };
  std::string name;  // "disk space"
  Status status = Status::ok;
  std::string detail;  // what was found
  std::string advice;  // what to do; empty where all is well
};

// In the order in which they build on one another; a check that has nothing to look at yet is ok and says so.
std::vector<Check> run_doctor(io::Env& env);

}  // namespace shoplake::app
