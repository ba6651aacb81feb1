// A User-Agent and, each behind a line feed, the client hints.

#include "collect/user_agent.h"

#include "base/result.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_user_agent(std::string_view bytes) {
  collect::UserAgent from;
  for (std::string_view* part :
       {&from.user_agent, &from.brands, &from.mobile, &from.model, &from.platform, &from.platform_version}) {
    const std::size_t end = bytes.find('\n');
    *part = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  }
  const collect::Device device = collect::classify(from);
  SHOPLAKE_CHECK(device.model.size() <= 64 && device.browser_version.size() <= 32 &&
                 device.operating_system_version.size() <= 32);
  return 0;
}

}  // namespace shoplake::fuzz
