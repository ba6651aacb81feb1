// One event as the live feed shows it. Text is shown as it is, so personal data must be treated already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace shoplake::event {

struct FeedEvent {
  std::int64_t at_micros = 0;
  std::string stream;
  std::string name;
  std::string page;
  std::string source;
  std::string user;
  std::optional<double> value;
};

}  // namespace shoplake::event
