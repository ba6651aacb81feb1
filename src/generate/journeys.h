// Journeys: visits to the shop one after another, each beginning when it is asked for, without an end: what a live
// sender needs. Visitors come for the first time or return, by channels that differ between both, and do what journey.h
// says: 5 to 20 events from the landing page to, sometimes, the purchase.
//
// Deterministic: the seed and the moments asked for decide every byte. Event ids differ between journeys of one object,
// and between seeds. Not thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "generate/events.h"

namespace shoplake::generate {

struct JourneyEvent {
  std::int64_t offset_micros = 0;  // from the moment of the journey to the event's own time; ascending
  std::string json;                // of the dataset's shape, without a line end
};

class Journeys {
 public:
  Journeys(Dataset dataset, std::uint64_t seed);
  ~Journeys();

  // The events of the next journey, which begins within the second after `now_micros` (since 1970-01-01 UTC).
  std::vector<JourneyEvent> next(std::int64_t now_micros);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::generate
