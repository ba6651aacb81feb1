#include "live/status_board.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"

namespace shoplake::live {
namespace {

constexpr std::size_t kFeedEvents = 20;
constexpr std::int64_t kRateSlots = 3;  // the running one and those of the ten seconds before

}  // namespace

void LatencyWindow::add(std::int64_t now_micros, std::int64_t latency_micros, std::uint64_t count) {
  const std::int64_t number = now_micros / kSlotMicros;
  if (slots_.empty() || slots_.back().number != number)
    slots_.emplace_back().number = number;
  while (slots_.front().number <= number - kWindowSlots)
    slots_.pop_front();
  const double octaves = std::log2(static_cast<double>(std::max<std::int64_t>(latency_micros, 1)));
  const int step = std::min(static_cast<int>(octaves * kStepsAnOctave), kStepsAnOctave * kOctaves - 1);
  slots_.back().counts[static_cast<std::size_t>(step)] += static_cast<std::uint32_t>(count);
  slots_.back().count += count;
}

std::optional<std::int64_t> LatencyWindow::quantile(std::int64_t now_micros, double part) {
  const std::int64_t oldest = now_micros / kSlotMicros - kWindowSlots;
  std::uint64_t total = 0;
  for (const Slot& slot : slots_)
    total += slot.number > oldest ? slot.count : 0;
  if (total == 0)
    return std::nullopt;
  const double wanted = part * static_cast<double>(total);
  double seen = 0;
  for (std::size_t step = 0; step < kStepsAnOctave * kOctaves; ++step) {
    for (const Slot& slot : slots_)
      seen += slot.number > oldest ? slot.counts[step] : 0;
    if (seen >= wanted)
      return static_cast<std::int64_t>(std::exp2((static_cast<double>(step) + 0.5) / kStepsAnOctave));
  }
  return std::nullopt;
}

double LatencyWindow::per_second(std::int64_t now_micros) const {
  const std::int64_t oldest = now_micros / kSlotMicros - kRateSlots;
  std::uint64_t count = 0;
  for (const Slot& slot : slots_)
    count += slot.number > oldest ? slot.count : 0;
  const std::int64_t span = now_micros - (oldest + 1) * kSlotMicros;
  return span <= 0 ? 0 : static_cast<double>(count) * 1e6 / static_cast<double>(span);
}

StatusBoard::StatusBoard(io::Env& env, base::Metrics* metrics) : env_(env), metrics_(metrics) {
  if (metrics_ == nullptr)
    return;
  metrics_->describe_counter("shoplake_live_records_total", "Records taken from the log.");
  metrics_->describe_counter("shoplake_live_events_total", "Events, by what became of them.");
  metrics_->describe_counter("shoplake_live_rejected_total", "Records put into quarantine, by dataset and reason.");
  metrics_->describe_counter("shoplake_live_steps_total", "Micro-batches, by outcome.");
  metrics_->describe_counter("shoplake_live_lost_total", "Offsets of the log that could not be read.");
  metrics_->describe_histogram("shoplake_live_step_seconds", "Duration of a micro-batch.",
                               {0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30});
  metrics_->describe_histogram("shoplake_live_part_seconds", "Duration of the parts of a micro-batch.",
                               {0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10});
  metrics_->describe_histogram("shoplake_live_latency_seconds", "From an event's receipt to the commit that counts it.",
                               {0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 10, 30, 60, 300});
  metrics_->describe_gauge("shoplake_live_memory_bytes", "What live keeps in memory, by holder.");
  metrics_->describe_gauge("shoplake_live_stale", "1 while the models wait for the next build.");
  metrics_->describe_counter("shoplake_live_compactions_total", "Merges of small data files, by table.");
  metrics_->describe_counter("shoplake_live_compacted_files_total",
                             "Data files that were merged into others, by table.");
  metrics_->set("shoplake_live_stale", {}, 0);
}

void StatusBoard::set_state(LiveState state, std::string message) {
  const std::lock_guard guard(mutex_);
  status_.state = state;
  status_.message = std::move(message);
}

void StatusBoard::set_stale(std::string why) {
  {
    const std::lock_guard guard(mutex_);
    if (stale_ == why)
      return;
    stale_ = why;
  }
  base::log::error("live.models_stale", {{"reason", why}});
  if (metrics_ != nullptr)
    metrics_->set("shoplake_live_stale", {}, 1);
}

void StatusBoard::set_current() {
  const std::lock_guard guard(mutex_);
  stale_.clear();
  if (metrics_ != nullptr)
    metrics_->set("shoplake_live_stale", {}, 0);
}

void StatusBoard::set_consumed(std::uint64_t position) {
  const std::lock_guard guard(mutex_);
  status_.consumed = position;
}

void StatusBoard::step_done(const Step& step, std::uint64_t consumed) {
  {
    const std::lock_guard guard(mutex_);
    status_.consumed = consumed;
    status_.events += step.accepted;
    status_.duplicates += step.duplicates;
    status_.dead_letters += step.rejected;
    status_.late += step.late;
    ++status_.commits;
  }
  if (metrics_ == nullptr)
    return;
  metrics_->add("shoplake_live_records_total", {}, static_cast<double>(step.records));
  metrics_->add("shoplake_live_events_total", {{"outcome", "accepted"}}, static_cast<double>(step.accepted));
  metrics_->add("shoplake_live_events_total", {{"outcome", "duplicate"}}, static_cast<double>(step.duplicates));
  metrics_->add("shoplake_live_events_total", {{"outcome", "rejected"}}, static_cast<double>(step.rejected));
  metrics_->add("shoplake_live_events_total", {{"outcome", "late"}}, static_cast<double>(step.late));
  metrics_->add("shoplake_live_steps_total", {{"outcome", "committed"}});
  metrics_->add("shoplake_live_lost_total", {}, static_cast<double>(step.lost));
  metrics_->observe("shoplake_live_step_seconds", {}, static_cast<double>(step.micros) / 1e6);
}

void StatusBoard::latency(std::int64_t micros, std::uint64_t count) {
  {
    const std::lock_guard guard(mutex_);
    latency_.add(env_.monotonic_micros(), micros, count);
  }
  if (metrics_ != nullptr)
    metrics_->observe("shoplake_live_latency_seconds", {}, static_cast<double>(micros) / 1e6, count);
}

void StatusBoard::rejected(const std::string& dataset, const std::string& reason, std::int64_t count) {
  if (metrics_ != nullptr)
    metrics_->add("shoplake_live_rejected_total", {{"dataset", dataset}, {"reason", reason}},
                  static_cast<double>(count));
}

void StatusBoard::part_done(const char* part, std::int64_t micros) {
  if (metrics_ != nullptr)
    metrics_->observe("shoplake_live_part_seconds", {{"part", part}}, static_cast<double>(micros) / 1e6);
  base::log::debug("live.part", {{"part", part}, {"micros", micros}});
}

void StatusBoard::step_failed(const base::Error& error) {
  base::log::error("live.step_failed", {{"code", error.code}, {"reason", error.message}});
  if (metrics_ != nullptr)
    metrics_->add("shoplake_live_steps_total", {{"outcome", "failed"}});
  set_state(LiveState::failing, error.message);
}

void StatusBoard::compacted(const std::string& table, std::int64_t files_before, std::int64_t files_after,
                            std::int64_t micros) {
  base::log::debug("live.compacted",
                   {{"table", table}, {"files", files_before}, {"into", files_after}, {"micros", micros}});
  if (metrics_ == nullptr)
    return;
  metrics_->add("shoplake_live_compactions_total", {{"table", table}});
  metrics_->add("shoplake_live_compacted_files_total", {{"table", table}}, static_cast<double>(files_before));
}

void StatusBoard::feed(std::vector<event::FeedEvent> events) {
  const std::lock_guard guard(mutex_);
  for (event::FeedEvent& older : status_.events_seen) {
    if (events.size() >= kFeedEvents)
      break;
    events.push_back(std::move(older));
  }
  status_.events_seen = std::move(events);
}

void StatusBoard::memory(const char* holder, std::int64_t bytes) {
  if (metrics_ != nullptr)
    metrics_->set("shoplake_live_memory_bytes", {{"holder", holder}}, static_cast<double>(bytes));
}

LiveStatus StatusBoard::status(std::uint64_t log_end) {
  const std::lock_guard guard(mutex_);
  LiveStatus status = status_;
  const std::int64_t now = env_.monotonic_micros();
  status.events_per_second = latency_.per_second(now);
  status.latency_p50_micros = latency_.quantile(now, 0.50);
  status.latency_p99_micros = latency_.quantile(now, 0.99);
  status.waiting = log_end > status.consumed ? log_end - status.consumed : 0;
  if (status.state == LiveState::running && !stale_.empty()) {
    status.state = LiveState::stale;
    status.message = stale_;
  }
  return status;
}

}  // namespace shoplake::live
