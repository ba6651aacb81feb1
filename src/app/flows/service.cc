#include "app/flows/service.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "app/flows/operations.h"
#include "app/flows/runner.h"
#include "app/flows/trigger_watcher.h"
#include "base/digest.h"
#include "base/log.h"
#include "ingest/file_registry.h"
#include "io/sqlite.h"

namespace shoplake::app {

using base::Result;

namespace {

constexpr std::chrono::milliseconds kLookInterval{500};
constexpr std::int64_t kCommitMicrosMax = 60'000'000;  // from a load's copy to its commit
constexpr std::size_t kReadBytes = 1 << 20;

}  // namespace

struct FlowService::State {
  State(App& given_app, base::Metrics& given_metrics, std::function<void()> given_on_objects)
      : app(given_app), metrics(given_metrics), on_objects(std::move(given_on_objects)) {}

  App& app;
  base::Metrics& metrics;
  std::function<void()> on_objects;
  TriggerSettings settings;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_ptr<FlowRunner> runner;       // null: another process runs the flows
  std::unique_ptr<TriggerWatcher> watcher;  // with the runner
  std::string last_error;
  std::jthread thread;

  // With the mutex held.
  Result<void> turn() {
    if (!runner)
      runner = SHOPLAKE_TRY(FlowRunner::try_open(app, {.metrics = &metrics, .on_end = {}}));
    if (!runner)
      return {};
    if (!watcher)
      watcher = SHOPLAKE_TRY(open_watcher());
    return watcher->look();
  }

  Result<std::unique_ptr<TriggerWatcher>> open_watcher() {
    TriggerWatcherOptions options;
    options.env = &app.env();
    options.lake_root = app.home().lake_root;
    options.control_plane = app.home().control_plane;
    options.triggers = settings.triggers;
    options.on_objects = on_objects;
    options.is_loaded = [this](const std::string& object, const ObjectVersion& version) {
      return has_loaded_content(object, version);
    };
    options.start = [this](const StartFlow& request) -> Result<void> {
      const auto started = start_flow(app, request);
      // Started before, and the definition was changed since.
      if (!started.ok() && started.error().code != "flow.execution_exists")
        return started.error();
      base::log::info("flow.started",
                      {{"flow", request.flow}, {"execution", request.name}, {"by", request.started_by}});
      runner->wake();
      return {};
    };
    return TriggerWatcher::open(std::move(options));
  }

  // The registry of files knows the content once the load has committed, which is soon after it put its copy there.
  Result<std::optional<bool>> has_loaded_content(const std::string& object, const ObjectVersion& version) const {
    const auto control_plane = SHOPLAKE_TRY(io::Database::open(app.home().control_plane));
    SHOPLAKE_TRY(ingest::prepare_file_registry(*control_plane));
    const auto record = SHOPLAKE_TRY(ingest::find_file_at(*control_plane, object));
    if (!record && app.env().now_micros() - version.modified_micros < kCommitMicrosMax)
      return std::optional<bool>();
    const bool is_same = record && record->size_bytes == version.size_bytes && !record->md5.empty() &&
                         record->md5 == SHOPLAKE_TRY(md5_of(io::join_path(app.home().lake_root, object)));
    return std::optional(is_same);
  }

  Result<std::string> md5_of(const std::string& path) const {
    const auto file = SHOPLAKE_TRY(app.env().open_file(path));
    base::Digest digest(base::Digest::Algorithm::md5);
    std::vector<char> buffer(kReadBytes);
    for (std::uint64_t at = 0;;) {
      const std::size_t count = SHOPLAKE_TRY(file->read(at, buffer.size(), buffer.data()));
      if (count == 0)
        return digest.finish_hex();
      digest.update({buffer.data(), count});
      at += count;
    }
  }

  // An error is said once, not twice a second.
  void say(const Result<void>& outcome) {
    if (outcome.ok()) {
      last_error.clear();
    } else if (outcome.error().message != last_error) {
      last_error = outcome.error().message;
      base::log::error("flow.trigger_failed", {{"error", base::to_string(outcome.error())}});
    }
  }

  // Until the next look: sooner if what was noted is due before. What is overdue, its start having failed, is not.
  std::chrono::microseconds pause() const {
    const auto due = watcher ? watcher->due_micros() : std::nullopt;
    const std::chrono::microseconds until(due ? *due - app.env().now_micros() : 0);
    return until > until.zero() && until < kLookInterval ? until : kLookInterval;
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      changed.wait_for(lock, stop, pause(), [] { return false; });
      if (!stop.stop_requested())
        say(turn());
    }
  }
};

FlowService::FlowService(std::unique_ptr<State> state) : state_(std::move(state)) {}
FlowService::~FlowService() { stop(); }

Result<std::unique_ptr<FlowService>> FlowService::open(App& app, base::Metrics& metrics,
                                                       std::function<void()> on_objects) {
  auto state = std::make_unique<State>(app, metrics, std::move(on_objects));
  state->settings = SHOPLAKE_TRY(read_triggers(app));
  metrics.describe_counter("shoplake_flow_executions_total", "Executions of flows that ended, by status.");
  metrics.describe_histogram("shoplake_flow_execution_seconds", "From the start of an execution to its end.",
                             {0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400});
  return std::unique_ptr<FlowService>(new FlowService(std::move(state)));
}

void FlowService::start() {
  State& state = *state_;
  {
    const std::scoped_lock lock(state.mutex);
    state.say(state.turn());
  }
  state.thread = std::jthread([&state](const std::stop_token& stop) { state.work(stop); });
}

void FlowService::stop() {
  State& state = *state_;
  state.thread.request_stop();
  if (state.thread.joinable())
    state.thread.join();
  const std::scoped_lock lock(state.mutex);
  state.watcher.reset();
  state.runner.reset();
}

const TriggerSettings& FlowService::triggers() const { return state_->settings; }

void FlowService::note_objects() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->watcher)
    state_->say(state_->watcher->note_objects());
}

void FlowService::wake() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->runner)
    state_->runner->wake();
}

}  // namespace shoplake::app
