// A body of POST /v1/events/<stream>: first byte odd: gzip, of which the result is split again.

#include "collect/plain.h"

#include <simdjson.h>

#include "base/result.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_plain(std::string_view bytes) {
  if (bytes.empty()) {
    return 0;
  }
  constexpr collect::PlainLimits kLimits = {
      .inflated_bytes_max = 64 << 10, .event_bytes_max = 1 << 10, .events_max = 50};
  const bool is_gzip = (bytes.front() & 1) != 0;
  bytes.remove_prefix(1);
  std::string body(bytes);
  if (is_gzip) {
    auto inflated = collect::inflate(bytes, kLimits.inflated_bytes_max);
    if (!inflated.ok()) {
      SHOPLAKE_CHECK(inflated.error().kind == base::ErrorKind::input);
      return 0;
    }
    body = std::move(inflated).value();
    SHOPLAKE_CHECK(body.size() <= kLimits.inflated_bytes_max);
  }
  const auto events = collect::split_events(body, kLimits);
  if (!events.ok()) {
    SHOPLAKE_CHECK(events.error().kind == base::ErrorKind::input);
    return 0;
  }
  SHOPLAKE_CHECK(events->accepted.size() + events->rejected.size() <= kLimits.events_max);
  simdjson::dom::parser parser;
  for (const std::string_view event : events->accepted) {
    SHOPLAKE_CHECK(event.size() <= kLimits.event_bytes_max + 1);
    // One line, one JSON object.
    SHOPLAKE_CHECK(event.find('\n') == event.size() - 1);
    simdjson::dom::object object;
    const auto error = parser.parse(event.data(), event.size()).get(object);
    // Numbers that no machine number holds are the contract's matter.
    SHOPLAKE_CHECK(error == simdjson::SUCCESS || error == simdjson::NUMBER_ERROR);
  }
  for (const auto& rejected : events->rejected) {
    SHOPLAKE_CHECK(!rejected.reason.empty() && !rejected.message.empty());
    SHOPLAKE_CHECK(rejected.index < events->accepted.size() + events->rejected.size());
  }
  return 0;
}

}  // namespace shoplake::fuzz
