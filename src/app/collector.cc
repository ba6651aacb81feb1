#include "app/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/consumer_metrics.h"
#include "app/live_options.h"
#include "app/object_loader.h"
#include "app/time_zone.h"
#include "base/log.h"
#include "collect/collector.h"
#include "collect/streams.h"
#include "deliver/deliverer.h"
#include "live/live.h"
#include "wal/consumers.h"
#include "wal/log.h"

namespace shoplake::app {
namespace {

using base::Result;

// Operations that only read are not noted.
void note_control(Auditor& auditor, const collect::ControlCall& call) {
  if (call.operation.starts_with("List") || call.operation.starts_with("Describe"))
    return;
  const auto body = nlohmann::json::parse(call.body, nullptr, false);
  const auto name = body.is_object() ? body.value("DeliveryStreamName", nlohmann::json()) : nlohmann::json();
  auditor.record({"api", call.key_id.empty() ? "anonymous" : call.key_id, "firehose." + call.operation,
                  name.is_string() ? name.get<std::string>() : ""},
                 call.status < 400 ? std::string(audit::kDone) : std::to_string(call.status));
}

serve::LiveState state_of(const live::LiveStatus& status) {
  switch (status.state) {
    case live::LiveState::starting:
    case live::LiveState::catching_up: return serve::LiveState::behind;
    case live::LiveState::paused: return serve::LiveState::paused;
    case live::LiveState::stale:
    case live::LiveState::failing: return serve::LiveState::stale;
    case live::LiveState::running:
    case live::LiveState::stopped: break;
  }
  if (status.events_per_second > 0)
    return serve::LiveState::live;
  return status.waiting > 0 ? serve::LiveState::behind : serve::LiveState::waiting;
}

}  // namespace

struct CollectorService::State {
  State(App& app, base::Metrics& metrics) : app(app), metrics(metrics) {}

  App& app;
  base::Metrics& metrics;
  std::unique_ptr<collect::Streams> streams;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<collect::Collector> collector;
  std::unique_ptr<ObjectLoader> loader;
  std::unique_ptr<deliver::Deliverer> deliverer;
  std::unique_ptr<live::Live> live;
  std::atomic<bool> started{false};

  // Whether what is received is counted or will be: 0 before the start, and while the live path cannot commit.
  void set_up() const {
    const bool is_counting =
        started && live->status().state != live::LiveState::failing && live->status().state != live::LiveState::stopped;
    metrics.set("shoplake_pipeline_up", {{"stage", "collect"}}, 1);
    metrics.set("shoplake_pipeline_up", {{"stage", "deliver"}}, started ? 1 : 0);
    metrics.set("shoplake_pipeline_up", {{"stage", "live"}}, is_counting ? 1 : 0);
  }

  void set_gauges() const {
    set_up();
    if (!started)
      return;
    const std::int64_t now = app.env().now_micros();
    set_consumer_metrics(metrics, *log, {deliver::kConsumerName, deliverer->status().consumed}, now);
    set_consumer_metrics(metrics, *log, {live::kConsumerName, live->status().consumed}, now);
    loader->set_gauges();
  }

  deliver::DeliveryOptions delivery(std::string_view name) const {
    deliver::DeliveryOptions options;
    options.is_delivered = name != collect::kDeadLetterStream;  // quarantine keeps these
    const auto stream = streams->find(name);
    if (stream == nullptr)
      return options;
    options.prefix = stream->prefix;
    options.error_prefix = stream->error_prefix;
    options.interval = std::chrono::seconds(stream->buffering_seconds);
    options.bytes = static_cast<std::uint64_t>(stream->buffering_mebibytes) << 20;
    if (stream->compression == collect::Stream::Compression::none)
      options.compression = deliver::Compression::none;
    return options;
  }
};

CollectorService::CollectorService(std::unique_ptr<State> state) : state_(std::move(state)) {}

CollectorService::~CollectorService() { stop(); }

Result<std::unique_ptr<CollectorService>> CollectorService::open(App& app, base::Metrics& metrics, http::Server& server,
                                                                 bool on_loopback, Auditor& auditor) {
  const Home& home = app.home();
  const CollectorSettings& settings = home.collector;
  auto state = std::make_unique<State>(app, metrics);
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  state->streams = SHOPLAKE_TRY(open_streams(app));

  wal::LogOptions log_options;
  log_options.env = &app.env();
  log_options.directory = home.wal_directory;
  log_options.metrics = &metrics;
  {
    auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
    SHOPLAKE_TRY(wal::prepare_consumers(*control_plane));
    // Both exist before either works: until then trimming would not wait for the other.
    for (const std::string_view name : {live::kConsumerName, deliver::kConsumerName})
      SHOPLAKE_TRY(wal::ensure_consumer(*control_plane, name, 0, app.env().now_micros()));
    for (const wal::Consumer& consumer : SHOPLAKE_TRY(wal::list_consumers(*control_plane)))
      log_options.offset_min = std::max(log_options.offset_min, consumer.next);
  }
  state->log = SHOPLAKE_TRY(wal::Log::open(log_options));

  const bool keyless = settings.access_keys.empty() && settings.api_keys.empty();
  if (keyless && !on_loopback) {
    base::log::warning("collect.no_keys", {{"advice",
                                            "the server is reachable from elsewhere and shoplake.yml has no "
                                            "collector keys, so it takes no events"}});
  } else {
    collect::CollectorOptions options;
    options.env = &app.env();
    options.log = state->log.get();
    options.streams = state->streams.get();
    options.metrics = &metrics;
    options.access_keys = settings.access_keys;
    options.api_keys = settings.api_keys;
    options.api_secrets = settings.api_secrets;
    options.time_zone = SHOPLAKE_TRY(read_time_zone(app.env(), settings.time_zone).within("collector: time_zone"));
    options.on_control = [&auditor](const collect::ControlCall& call) { note_control(auditor, call); };
    state->collector = std::make_unique<collect::Collector>(std::move(options));
    state->collector->routes(server);
  }
  describe_consumer_metrics(metrics);
  metrics.describe_gauge("shoplake_pipeline_up", "1 while a stage of the pipeline works, 0 while it does not.");
  // Metrics are written by the HTTP server only, which ends before this does.
  metrics.before_exposition([raw = state.get()](base::Metrics&) { raw->set_gauges(); });
  return std::unique_ptr<CollectorService>(new CollectorService(std::move(state)));
}

Result<void> CollectorService::start() {
  State& state = *state_;
  App& app = state.app;
  const Home& home = app.home();
  deliver::DelivererOptions delivery;
  delivery.env = &app.env();
  delivery.log = state.log.get();
  delivery.control_plane = home.control_plane;
  delivery.lake_root = home.lake_root;
  delivery.temporary_directory = home.temporary_directory;
  delivery.for_stream = [raw = state_.get()](std::string_view stream) { return raw->delivery(stream); };
  delivery.metrics = &state.metrics;
  state.loader = std::make_unique<ObjectLoader>(app, *state.streams, state.metrics);
  delivery.on_object = [raw = state_.get()](const deliver::DeliveredObject& object) { raw->loader->announce(object); };
  state.deliverer = SHOPLAKE_TRY(deliver::Deliverer::open(std::move(delivery)));
  SHOPLAKE_TRY(state.loader->start());
  state.deliverer->start();

  live::LiveOptions options = SHOPLAKE_TRY(live_options(app, SHOPLAKE_TRY(live_streams(app, *state.streams, false))));
  options.log = state.log.get();
  options.metrics = &state.metrics;
  state.live = SHOPLAKE_TRY(live::Live::open(std::move(options)));
  state.live->start();
  state.started = true;
  return {};
}

void CollectorService::stop() {
  if (state_->live)
    state_->live->stop();
  if (state_->deliverer)
    state_->deliverer->stop();
  if (state_->loader)
    state_->loader->stop();
}

serve::LiveView CollectorService::view() const {
  const State& state = *state_;
  serve::LiveView view;
  if (state.collector == nullptr)
    return view;
  const wal::LogStatus log = state.log->status();
  view.acknowledged = log.end;
  view.state = serve::LiveState::behind;
  view.waiting_records = log.end - log.begin;
  if (!state.started)
    return view;
  const live::LiveStatus status = state.live->status();
  view.state = state_of(status);
  view.message = status.message;
  view.events_per_second = status.events_per_second;
  view.latency_p50_micros = status.latency_p50_micros;
  view.latency_p99_micros = status.latency_p99_micros;
  view.waiting_records = status.waiting;
  view.dead_letters = status.dead_letters;
  view.late = status.late;
  view.version = status.commits;
  view.events = status.events_seen;
  return view;
}

}  // namespace shoplake::app
