#include "app/object_loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "app/load.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "ingest/registry.h"
#include "quality/audit.h"

namespace shoplake::app {
namespace {

using base::Result;

// A load that failed is tried again after this long.
constexpr std::chrono::seconds kRetryAfter{5};

constexpr std::string_view kStage = "transform";

struct Job {
  std::string dataset;
  std::string path;
  std::int64_t created_at_micros = 0;
};

// The documents' names where they have one; what each means here: docs/metrics.md.
void describe(base::Metrics& metrics) {
  metrics.describe_counter("Invocations", "Delivered objects that were loaded, or tried to, by stage.");
  metrics.describe_counter("Errors", "Loads of delivered objects that failed, by stage.");
  metrics.describe_histogram("Duration", "Seconds of one load, by stage.",
                             {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
  metrics.describe_gauge("ConcurrentExecutions", "Loads that run, by stage.");
  metrics.describe_counter("Throttles", "Delivered objects that had to wait for the load of another one, by stage.");
  metrics.describe_counter("shoplake_transform_records_total", "Records of delivered objects, by what became of them.");
  metrics.describe_counter("shoplake_transform_bytes_total", "Bytes of loaded objects, inflated.");
  metrics.describe_gauge("shoplake_transform_waiting_objects", "Delivered objects that are not loaded yet.");
  metrics.describe_gauge("shoplake_transform_freshness_seconds",
                         "Age of the oldest delivered object that is not loaded yet; 0 if all are.");
  metrics.set("ConcurrentExecutions", {{"stage", kStage}}, 0);
  for (const char* counter : {"Invocations", "Errors", "Throttles"})
    metrics.add(counter, {{"stage", kStage}}, 0);
}

}  // namespace

struct ObjectLoader::State {
  State(App& app, const collect::Streams& streams, base::Metrics& metrics)
      : app(app), streams(streams), metrics(metrics) {}

  App& app;
  const collect::Streams& streams;
  base::Metrics& metrics;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Job> jobs;
  std::jthread thread;

  // The dataset that the stream's objects are loaded into; none if they are not.
  Result<std::optional<std::string>> dataset_of(const std::string& name) {
    const auto stream = streams.find(name);
    if (stream == nullptr || stream->live)
      return std::optional<std::string>();
    const std::string contract = io::join_path(app.home().datasets_directory, stream->dataset + ".yml");
    if (!SHOPLAKE_TRY(app.env().exists(contract)))
      return std::optional<std::string>();
    return std::optional<std::string>(stream->dataset);
  }

  Result<void> queue(const deliver::DeliveredObject& object) {
    const std::optional<std::string> dataset = SHOPLAKE_TRY(dataset_of(object.stream));
    if (!dataset || object.is_error)
      return {};
    {
      const std::lock_guard lock(mutex);
      if (!jobs.empty())
        metrics.add("Throttles", {{"stage", kStage}});
      jobs.push_back({*dataset, io::join_path(app.home().lake_root, object.object), object.cut_at_micros});
    }
    changed.notify_all();
    return {};
  }

  // True if it is done with, be it loaded, known or rejected for good.
  bool load_one(const Job& job, const std::stop_token& stop) {
    LoadOptions options;
    options.dataset = job.dataset;
    options.paths = {job.path};
    options.stop = stop;
    const std::int64_t begin = app.env().monotonic_micros();
    metrics.set("ConcurrentExecutions", {{"stage", kStage}}, 1);
    auto report = load(app, options);
    metrics.set("ConcurrentExecutions", {{"stage", kStage}}, 0);
    const base::Error* error = report.ok() ? report->first_error() : &report.error();
    metrics.add("Invocations", {{"stage", kStage}});
    metrics.observe("Duration", {{"stage", kStage}}, static_cast<double>(app.env().monotonic_micros() - begin) / 1e6);
    if (error == nullptr) {
      count(*report);
      return true;
    }
    if (error->kind == base::ErrorKind::cancelled)
      return false;
    metrics.add("Errors", {{"stage", kStage}});
    base::log::error("collect.object_not_loaded",
                     {{"object", job.path}, {"reason", error->message}, {"advice", error->advice}});
    return error->kind == base::ErrorKind::input || error->code == quality::kBlocked;
  }

  void count(const LoadReport& report) {
    for (const LoadedFile& file : report.files) {
      metrics.add("shoplake_transform_bytes_total", {}, static_cast<double>(file.inflated_bytes));
      metrics.add("shoplake_transform_records_total", {{"outcome", "accepted"}}, static_cast<double>(file.rows));
      metrics.add("shoplake_transform_records_total", {{"outcome", "rejected"}}, static_cast<double>(file.rejected));
    }
  }

  void set_gauges() {
    const std::lock_guard lock(mutex);
    metrics.set("shoplake_transform_waiting_objects", {}, static_cast<double>(jobs.size()));
    const std::int64_t age =
        jobs.empty() ? 0 : std::max<std::int64_t>(0, app.env().now_micros() - jobs.front().created_at_micros);
    metrics.set("shoplake_transform_freshness_seconds", {}, static_cast<double>(age) / 1e6);
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (changed.wait(lock, stop, [&] { return !jobs.empty(); })) {
      const Job job = jobs.front();
      lock.unlock();
      const bool done = load_one(job, stop);
      lock.lock();
      if (done) {
        jobs.pop_front();
      } else {
        changed.wait_for(lock, stop, kRetryAfter, [] { return false; });
      }
    }
  }
};

ObjectLoader::ObjectLoader(App& app, const collect::Streams& streams, base::Metrics& metrics)
    : state_(std::make_unique<State>(app, streams, metrics)) {
  describe(metrics);
}

ObjectLoader::~ObjectLoader() { stop(); }

Result<void> ObjectLoader::start() {
  State& state = *state_;
  catalog::Catalog* catalog = SHOPLAKE_TRY(state.app.catalog());
  const auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
  SHOPLAKE_TRY(ingest::prepare_registry(*control_plane));
  SHOPLAKE_TRY(deliver::prepare_registry(*control_plane));
  for (const auto& stream : state.streams.list()) {
    const std::optional<std::string> dataset = SHOPLAKE_TRY(state.dataset_of(stream->name));
    if (!dataset)
      continue;
    deliver::ObjectFilter filter;
    filter.stream = stream->name;
    for (const deliver::DeliveredObject& object : SHOPLAKE_TRY(deliver::list_delivered(*control_plane, filter))) {
      if (!SHOPLAKE_TRY(ingest::find_loaded(*control_plane, {*dataset, object.md5, object.bytes})))
        SHOPLAKE_TRY(state.queue(object));
    }
  }
  state.thread = std::jthread([&state](const std::stop_token& stop) { state.work(stop); });
  return {};
}

void ObjectLoader::announce(const deliver::DeliveredObject& object) {
  const Result<void> queued = state_->queue(object);
  if (!queued.ok())
    base::log::error("collect.object_not_loaded", {{"object", object.object}, {"reason", queued.error().message}});
}

void ObjectLoader::set_gauges() const { state_->set_gauges(); }

void ObjectLoader::stop() {
  state_->thread.request_stop();
  if (state_->thread.joinable())
    state_->thread.join();
}

}  // namespace shoplake::app
