// StatusBoard: what live tells about itself: LiveStatus for the dashboard, and metrics. Thread safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "live/live.h"

namespace shoplake::live {

// Latencies of the last minutes, by receipt-to-commit time in steps of a twelfth of a power of two (6 %).
class LatencyWindow {
 public:
  void add(std::int64_t now_micros, std::int64_t latency_micros, std::uint64_t count);
  // None if nothing was added within the window.
  std::optional<std::int64_t> quantile(std::int64_t now_micros, double part);
  double per_second(std::int64_t now_micros) const;  // over the last seconds

 private:
  static constexpr int kStepsAnOctave = 12;
  static constexpr int kOctaves = 42;  // up to 50 days
  static constexpr std::int64_t kSlotMicros = 5'000'000;
  static constexpr std::int64_t kWindowSlots = 36;  // three minutes
  struct Slot {
    std::int64_t number = 0;
    std::uint64_t count = 0;
    std::array<std::uint32_t, kStepsAnOctave * kOctaves> counts{};
  };
  std::deque<Slot> slots_;
};

class StatusBoard {
 public:
  StatusBoard(io::Env& env, base::Metrics* metrics);

  void set_state(LiveState state, std::string message = {});
  // The models cannot follow; until current() is called.
  void set_stale(std::string why);
  void set_current();
  void set_consumed(std::uint64_t position);
  void step_done(const Step& step, std::uint64_t consumed);
  void latency(std::int64_t micros, std::uint64_t count);
  void rejected(const std::string& dataset, const std::string& reason, std::int64_t count);
  // Where the time of a batch goes: transform, models, commit.
  void part_done(const char* part, std::int64_t micros);
  void memory(const char* holder, std::int64_t bytes);
  void step_failed(const base::Error& error);
  void compacted(const std::string& table, std::int64_t files_before, std::int64_t files_after, std::int64_t micros);
  void feed(std::vector<event::FeedEvent> events);  // the newest first

  LiveStatus status(std::uint64_t log_end);

 private:
  io::Env& env_;
  base::Metrics* metrics_;
  std::mutex mutex_;
  LiveStatus status_;
  std::string stale_;
  LatencyWindow latency_;
};

}  // namespace shoplake::live
