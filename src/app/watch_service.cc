#include "app/watch_service.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "app/alarms.h"
#include "app/cost.h"
#include "app/lake_gauges.h"
#include "app/topics.h"
#include "base/log.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::int64_t kLakeIntervalMicros = 60'000'000;

}  // namespace

struct WatchService::State {
  State(App& given_app, base::Metrics& metrics, serve::Lake& lake)
      : app(given_app), probe(metrics), gauges(app.env(), lake, metrics), notifier(app, &metrics) {}

  App& app;
  watch::MetricsProbe probe;
  LakeGauges gauges;
  Notifier notifier;
  std::unique_ptr<watch::AlarmKeeper> keeper;
  std::unique_ptr<CostRecorder> costs;
  std::int64_t lake_next_micros = 0;
  std::string told;  // the last error, so that one that stays is logged once

  std::mutex mutex;
  std::condition_variable_any changed;
  std::jthread thread;

  Result<void> look() {
    const std::int64_t monotonic = app.env().monotonic_micros();
    if (monotonic >= lake_next_micros) {
      lake_next_micros = monotonic + kLakeIntervalMicros;
      SHOPLAKE_TRY(gauges.refresh());
      SHOPLAKE_TRY(costs->record(app.env().now_micros()));
    }
    const auto changes = SHOPLAKE_TRY(keeper->observe(probe, app.env().now_micros()));
    for (const watch::StateChange& change : changes) {
      base::log::warning(
          "watch.alarm",
          {{"alarm", change.alarm}, {"from", name(change.from)}, {"to", name(change.to)}, {"reason", change.reason}});
    }
    if (!changes.empty())
      notifier.dispatcher().wake();
    return {};
  }

  // What was read since the last slot of time began is an alarm's business after the next start.
  void finish() {
    const Result<void> finished = keeper->finish(probe, app.env().now_micros());
    if (!finished.ok())
      base::log::error("watch.failed", {{"error", finished.error().message}, {"code", finished.error().code}});
  }

  void work(const std::stop_token& stop) {
    const std::chrono::seconds interval(keeper->reading_interval_seconds());
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      const Result<void> looked = look();
      if (!looked.ok() && looked.error().message != told)
        base::log::error("watch.failed", {{"error", looked.error().message}, {"code", looked.error().code}});
      told = looked.ok() ? "" : looked.error().message;
      changed.wait_for(lock, stop, interval, [] { return false; });
    }
  }
};

WatchService::WatchService(std::unique_ptr<State> state) : state_(std::move(state)) {}
WatchService::~WatchService() { stop(); }

Result<std::unique_ptr<WatchService>> WatchService::open(App& app, base::Metrics& metrics, serve::Lake& lake) {
  auto state = std::make_unique<State>(app, metrics, lake);
  state->keeper = SHOPLAKE_TRY(open_alarms(app));
  state->costs = SHOPLAKE_TRY(CostRecorder::open(app, metrics));
  return std::unique_ptr<WatchService>(new WatchService(std::move(state)));
}

void WatchService::start() {
  state_->notifier.dispatcher().start();
  state_->thread = std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

void WatchService::stop() {
  if (state_->thread.joinable()) {
    state_->thread.request_stop();
    state_->thread.join();
    state_->finish();
  }
  state_->notifier.dispatcher().stop();
}

}  // namespace shoplake::app
