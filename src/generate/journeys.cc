#include "generate/journeys.h"

#include <algorithm>
#include <optional>

#include "generate/clickstream_writer.h"
#include "generate/event_writer.h"
#include "generate/random.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

// Of 10,000 journeys, how many are made by someone who was here before.
constexpr std::uint32_t kReturns = 3500;
// Visitors that may return; the longest known ones are forgotten beyond it.
constexpr std::size_t kKnownMax = 20'000;

struct Visitor {
  std::uint32_t number;
  std::uint16_t visits;
  std::uint8_t first_channel;
  std::uint8_t last_non_direct;
};

}  // namespace

struct Journeys::State {
  Dataset dataset;
  std::uint64_t seed;
  Random random;
  std::vector<Visitor> known;
  std::uint32_t visitors = 0;
  std::int64_t first_day = 0;
  std::optional<EventWriter> events;
  std::optional<ClickstreamWriter> clickstream;
  Visit visit;
  std::string text;
  std::vector<Line> lines;

  State(Dataset given_dataset, std::uint64_t given_seed)
      : dataset(given_dataset), seed(given_seed), random(Random::child(given_seed, 0x10031ull)) {}

  // Who comes, and by which channel; counts the visit.
  const Visitor& come(std::uint8_t& channel) {
    Visitor* visitor = nullptr;
    if (!known.empty() && random.chance(kReturns)) {
      visitor = &known[random.below(static_cast<std::uint32_t>(known.size()))];
      channel = static_cast<std::uint8_t>(random.weighted(return_channel_weights()));
    } else {
      channel = static_cast<std::uint8_t>(random.weighted(first_channel_weights()));
      const Visitor first{visitors, 0, channel, kDirect};
      if (known.size() < kKnownMax) {
        known.push_back(first);
        visitor = &known.back();
      } else {
        visitor = &known[visitors % kKnownMax];
        *visitor = first;
      }
      ++visitors;
    }
    ++visitor->visits;
    if (channel != kDirect) {
      visitor->last_non_direct = channel;
    }
    return *visitor;
  }
};

Journeys::Journeys(Dataset dataset, std::uint64_t seed) : state_(std::make_unique<State>(dataset, seed)) {}
Journeys::~Journeys() = default;

std::vector<JourneyEvent> Journeys::next(std::int64_t now_micros) {
  State& state = *state_;
  const std::int64_t zone = state.dataset == Dataset::events ? kTimeZoneSeconds : 0;
  const std::int64_t second = (now_micros + 999'999) / 1'000'000 + zone;  // local; a journey begins on a second
  if (!state.events && !state.clickstream) {
    state.first_day = second / kDaySeconds;
    if (state.dataset == Dataset::events) {
      state.events.emplace(state.seed, state.first_day, 1);
    } else {
      state.clickstream.emplace(state.seed, state.first_day, 1);
    }
  }
  PlannedVisit planned{};
  const Visitor& visitor = state.come(planned.channel);
  planned.user = visitor.number;
  planned.number = visitor.visits;
  planned.first_channel = visitor.first_channel;
  planned.last_non_direct = visitor.last_non_direct;
  planned.day = planned.file_day = static_cast<std::int16_t>(second / kDaySeconds - state.first_day);
  planned.second = static_cast<std::uint32_t>(second % kDaySeconds);
  planned.lines = 0xFFFF;  // all of them

  state.text.clear();
  state.lines.clear();
  if (state.events) {
    state.events->write(planned, state.text, state.lines);
  } else {
    state.clickstream->write(planned, state.text, state.lines);
  }
  std::stable_sort(state.lines.begin(), state.lines.end(),
                   [](const Line& a, const Line& b) { return a.at_micros < b.at_micros; });
  std::vector<JourneyEvent> journey;
  journey.reserve(state.lines.size());
  for (const Line& line : state.lines) {
    journey.push_back({line.at_micros - now_micros, state.text.substr(line.begin, line.size - 1)});
  }
  return journey;
}

}  // namespace shoplake::generate
