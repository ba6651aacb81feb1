// `shoplake contract check`: data contracts read as a load would read them, and nothing else done. Needs no home.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

struct CheckedContract {
  std::string path;
  std::optional<base::Error> error;  // the first mistake, with its line; the rest is empty then
  std::string dataset;
  std::string table;
  std::int64_t fields = 0;    // top-level ones: columns of the table
  std::int64_t values = 0;    // fields that hold a value, at any depth
  std::int64_t personal = 0;  // of these: classed as pseudonymous or direct
  std::int64_t treated = 0;   // of these: not kept as they are
};

// One for each path, in order.
std::vector<CheckedContract> check_contracts(io::Env& env, const std::vector<std::string>& paths);

}  // namespace shoplake::app
