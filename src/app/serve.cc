#include "app/serve.h"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "app/audit.h"
#include "app/collector.h"
#include "app/cost.h"
#include "app/drops.h"
#include "app/flows/flow_api.h"
#include "app/flows/service.h"
#include "app/heap.h"
#include "app/lake_gauges.h"
#include "app/operations_api.h"
#include "app/watch_service.h"
#include "base/log.h"
#include "base/metrics.h"
#include "catalog/rest.h"
#include "engine/session.h"
#include "http/server.h"
#include "serve/assets.h"
#include "serve/dashboard.h"
#include "serve/lake_reader.h"
#include "serve/live_feed.h"
#include "serve/query_api.h"
#include "serve/shop.h"
#include "serve/version.h"

namespace shoplake::app {
namespace {

constexpr int kIoThreads = 2;
constexpr std::string_view kApi = "/api/";
constexpr std::string_view kCatalog = "/v1/";
constexpr std::uint64_t kQueryBytesMax = 256 * 1024;
constexpr std::uint64_t kFlowBytesMax = 300 * 1024;  // an execution's input has at most 256 KiB
// Of the engine that computes the dashboard; what needs more is spilled. The blocks of a page are asked for at once, so
// that they share the cores; a query on several would hold a row group of each file for each of them.
constexpr std::uint64_t kDashboardMemoryBytes = 96ull << 20;
constexpr int kDashboardThreads = 1;
constexpr std::uint64_t kCommitBytesMax = 64ull << 20;  // a commit carries whole snapshots, and a schema may be wide

// What a call of the catalog's API changes, for the audit log; nothing if it only reads or reports.
std::optional<audit::Action> audited(const http::Request& request) {
  if (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS" ||
      request.path.ends_with("/metrics") || request.path.ends_with("/config"))
    return {};
  std::string object = http::percent_decode(request.path.substr(kCatalog.size()));
  std::ranges::replace(object, '\x1f', '.');  // between the parts of a namespace
  return audit::Action{"api", "anonymous", "catalog." + http::lower_case(request.method), std::move(object)};
}

http::Response respond(catalog::RestCatalog& catalog, const http::Request& request) {
  catalog::RestRequest call;
  call.method = request.method;
  call.path = request.path;
  for (auto& [name, value] : request.parameters())
    call.query.try_emplace(std::move(name), std::move(value));
  for (const auto& [name, value] : request.headers)
    call.headers.try_emplace(name, value);
  call.body = request.body;
  catalog::RestResponse answer = catalog.handle(call);
  http::Response response;
  response.status = answer.status;
  response.body = std::move(answer.body);
  for (auto& [name, value] : answer.headers) {
    if (name == "Content-Type") {
      response.content_type = std::move(value);
    } else {
      response.set(name, std::move(value));
    }
  }
  return response;
}

// Resident memory of this process in bytes; 0 if the system does not say.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void describe(base::Metrics& metrics, std::int64_t started_micros) {
  metrics.describe_gauge("shoplake_build_info", "Always 1; the labels say which shoplake and which engine run.");
  metrics.set("shoplake_build_info", {{"version", serve::shoplake_version()}, {"duckdb", engine::Database::version()}},
              1);
  metrics.describe_gauge("process_start_time_seconds", "When the process started, in seconds since 1970.");
  metrics.set("process_start_time_seconds", {}, static_cast<double>(started_micros) / 1e6);
  metrics.describe_gauge("process_resident_memory_bytes", "Resident memory.");
  metrics.before_exposition([](base::Metrics& m) { m.set("process_resident_memory_bytes", {}, resident_bytes()); });
  describe_heap(metrics);
}

// Of this process: what it serves to other engines, and what live and the loader commit.
void describe_commits(base::Metrics& metrics, const catalog::Catalog& catalog) {
  metrics.describe_counter("shoplake_catalog_commits_total", "Commits to the catalog, each of one or more tables.");
  metrics.describe_counter("shoplake_catalog_commit_retries_total",
                           "How often a commit was tried again because another came first.");
  metrics.describe_counter("shoplake_catalog_commit_conflicts_total",
                           "Commits that could not go beside what others had committed; their owners begin again.");
  metrics.before_exposition([&catalog](base::Metrics& m) {
    const catalog::CommitCounts counts = catalog.commit_counts();
    m.set("shoplake_catalog_commits_total", {}, static_cast<double>(counts.commits));
    m.set("shoplake_catalog_commit_retries_total", {}, static_cast<double>(counts.retries));
    m.set("shoplake_catalog_commit_conflicts_total", {}, static_cast<double>(counts.conflicts));
  });
}

// shoplake's own requests; those of the engine, which reads tables by itself, are not among them.
void describe_store(base::Metrics& metrics, ObjectStore& store) {
  metrics.describe_counter("shoplake_s3_requests_total", "Requests to the object store, each counted once.");
  metrics.describe_counter("shoplake_s3_retries_total", "How often a request was sent again.");
  metrics.describe_counter("shoplake_s3_failures_total", "Requests that were given up after all attempts.");
  metrics.describe_counter("shoplake_s3_sent_bytes_total", "Bytes of objects sent, those sent again included.");
  metrics.describe_counter("shoplake_s3_received_bytes_total", "Bytes of answers.");
  metrics.before_exposition([&store](base::Metrics& m) {
    const s3::RequestCounts counts = store.client().counts();
    m.set("shoplake_s3_requests_total", {}, static_cast<double>(counts.requests));
    m.set("shoplake_s3_retries_total", {}, static_cast<double>(counts.retries));
    m.set("shoplake_s3_failures_total", {}, static_cast<double>(counts.failures));
    m.set("shoplake_s3_sent_bytes_total", {}, static_cast<double>(counts.sent_bytes));
    m.set("shoplake_s3_received_bytes_total", {}, static_cast<double>(counts.received_bytes));
  });
}

// What the pages and the alarms read of the lake, each once.
std::vector<std::string> tables_of_pages() {
  std::set<std::string> tables;
  for (auto&& some : {serve::Dashboard::tables(), serve::Shop::tables(), LakeGauges::tables()})
    tables.insert(some.begin(), some.end());
  return {tables.begin(), tables.end()};
}

}  // namespace

base::Result<void> parse_listen_address(std::string_view text, ServeOptions& options) {
  auto parsed = SHOPLAKE_TRY(http::parse_host_and_port(text, {options.host, options.port}));
  options.host = std::move(parsed.host);
  options.port = parsed.port;
  return {};
}

struct Server::State {
  explicit State(App& given_app) : app(given_app), auditor(given_app) {}
  ~State() { stop_files(); }

  App& app;
  Auditor auditor;
  base::Metrics metrics;
  std::unique_ptr<serve::Assets> assets;
  std::unique_ptr<serve::LakeReader> lake;
  std::unique_ptr<serve::Dashboard> dashboard;
  std::unique_ptr<catalog::RestCatalog> catalog;
  std::unique_ptr<serve::QueryApi> queries;
  std::unique_ptr<serve::Shop> shop;
  std::unique_ptr<OperationsApi> operations;
  std::unique_ptr<CollectorService> collector;  // null if the configuration says so
  std::unique_ptr<serve::LiveFeed> live;
  std::unique_ptr<FlowService> flows;
  std::unique_ptr<FlowApi> flow_api;
  std::unique_ptr<http::Server> http;  // after what its handlers use, so that it goes before
  std::atomic<bool> ready{false};
  std::jthread warm_up;
  std::unique_ptr<DropWatcher> drops;
  std::unique_ptr<WatchService> watch;  // null if another server of this home watches

  // Both before either goes: their threads call each other.
  void stop_files() {
    if (drops)
      drops->stop();
    if (flows)
      flows->stop();
  }

  http::Response respond_catalog(const http::Request& request) {
    http::Response response = respond(*catalog, request);
    if (const auto action = audited(request))
      auditor.record(*action, response.status < 400 ? std::string(audit::kDone) : fmt::format("{}", response.status));
    return response;
  }

  http::Response respond_query(const http::Request& request) {
    QueryMeter meter(app, "api");
    http::Response response = queries->respond(request);
    if (response.status == 200)
      meter.end(serve::QueryApi::sql_of(request));
    return response;
  }

  http::Response readiness() const {
    if (ready)
      return http::json_response(R"({"status":"ready"})");
    http::Response response = http::json_response(R"({"status":"starting"})", 503);
    response.set("Retry-After", "1");
    return response;
  }

  void add_routes() {
    using http::Request;
    using http::Route;
    http->route({.path = "/",
                 .handler = [this](const http::Request& request) { return assets->respond(request); },
                 .name = "page",
                 .match = http::Route::Match::prefix,
                 .where = http::Route::Where::io});
    http->route({.path = "/health",
                 .handler = [](const http::Request&) { return http::json_response(R"({"status":"ok"})"); },
                 .where = http::Route::Where::io});
    http->route({.path = "/ready",
                 .handler = [this](const http::Request&) { return readiness(); },
                 .where = http::Route::Where::io});
    http->route({.path = "/metrics", .handler = [this](const http::Request&) {
                   http::Response response = http::text_response(metrics.exposition());
                   response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                   return response;
                 }});
    for (const std::string& name : serve::Dashboard::names()) {
      http->route({.path = std::string(kApi) + name, .handler = [this, name](const http::Request& request) {
                     return dashboard->respond(name, request);
                   }});
    }
    http->route({.path = std::string(kCatalog),
                 .handler = [this](const http::Request& request) { return respond_catalog(request); },
                 .match = http::Route::Match::prefix,
                 .methods = {},
                 .body_bytes_max = kCommitBytesMax});
    http->route({.path = std::string(kFlowApi),
                 .handler = [this](const http::Request& request) { return flow_api->respond(request); },
                 .match = http::Route::Match::prefix,
                 .methods = {"GET", "POST"},
                 .body_bytes_max = kFlowBytesMax});
    http->route({.path = "/api/live",
                 .handler = [this](const http::Request& request) { return live->respond(request); },
                 .where = http::Route::Where::io});
    http->route({.path = "/api/live/events",
                 .handler = [this](const http::Request& request) { return live->respond_events(request); },
                 .where = http::Route::Where::io});
    http->route(
        {.path = "/api/shop", .handler = [this](const http::Request& request) { return shop->respond(request); }});
    http->route({.path = "/api/pipeline",
                 .handler = [this](const http::Request& request) { return operations->pipeline(request); }});
    http->route({.path = "/api/quality",
                 .handler = [this](const http::Request& request) { return operations->quality(request); }});
    http->route({.path = "/api/alarms",
                 .handler = [this](const http::Request& request) { return operations->alarms(request); }});
    http->route(
        {.path = "/api/cost", .handler = [this](const http::Request& request) { return operations->cost(request); }});
    http->route({.path = "/api/query",
                 .handler = [this](const http::Request& request) { return respond_query(request); },
                 .methods = {"POST"},
                 .body_bytes_max = kQueryBytesMax});
    http->route({.path = std::string(kApi),
                 .handler =
                     [this](const http::Request& request) {
                       return dashboard->respond(request.path.substr(kApi.size()), request);
                     },
                 .name = "/api/",
                 .match = http::Route::Match::prefix,
                 .methods = {}});
  }

  // Opens the engine and computes the default view, which is what the first visitor asks for; then begins to count
  // what is collected, which is acknowledged from the first moment on.
  void warm() {
    for (const std::string& name : serve::Dashboard::names()) {
      http::Request request;
      request.path = std::string(kApi) + name;
      request.query = name == "freshness" ? "" : "event=purchase";
      const http::Response response = dashboard->respond(name, request);
      if (response.status >= 500)
        base::log::warning("serve.warm_up", {{"block", name}, {"answer", response.bytes()}});
    }
    ready = true;
    if (!collector)
      return;
    const base::Result<void> counting = collector->start();
    if (!counting.ok())
      base::log::error("collect.not_counting",
                       {{"error", counting.error().message}, {"advice", counting.error().advice}});
  }
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { stop(); }

base::Result<std::unique_ptr<Server>> Server::start(App& app, const ServeOptions& options) {
  return_memory_sooner();
  auto state = std::make_unique<State>(app);
  describe(state->metrics, app.env().now_micros());
  state->assets =
      SHOPLAKE_TRY(serve::Assets::load(app.env(), io::join_path(app.installation().share_directory, "web")));
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  describe_commits(state->metrics, *catalog);
  if (app.object_store() != nullptr)
    describe_store(state->metrics, *app.object_store());
  state->catalog = std::make_unique<catalog::RestCatalog>(*catalog);
  const auto open_engine = [&app] { return app.open_engine(); };
  const auto open_dashboard_engine = [&app] {
    engine::DatabaseOptions limited = app.engine_options();
    if (limited.memory_limit_bytes == 0 || limited.memory_limit_bytes > kDashboardMemoryBytes)
      limited.memory_limit_bytes = kDashboardMemoryBytes;
    limited.threads = kDashboardThreads;
    limited.returns_memory = true;
    return engine::Database::open(limited);
  };
  state->lake = std::make_unique<serve::LakeReader>(*catalog, open_dashboard_engine, tables_of_pages());
  state->shop = std::make_unique<serve::Shop>(*state->lake);
  state->operations = std::make_unique<OperationsApi>(app, state->metrics, *state->lake);
  state->queries = std::make_unique<serve::QueryApi>(*catalog, open_engine);
  serve::DashboardOptions dashboard_options;
  dashboard_options.stale_after_seconds = options.stale_after_hours * 3600;
  dashboard_options.shoplake_version = serve::shoplake_version();
  state->dashboard = std::make_unique<serve::Dashboard>(app.env(), *state->lake, dashboard_options);

  http::ServerOptions http_options;
  http_options.host = options.host;
  http_options.port = options.port;
  http_options.host_names = options.host_names;
  http_options.io_threads = kIoThreads;
  if (!app.home().collector.tls_certificate.empty())
    http_options.tls = {app.home().collector.tls_certificate, app.home().collector.tls_key};
  state->http = std::make_unique<http::Server>(std::move(http_options), app.env(), state->metrics);
  const CollectorSettings& settings = app.home().collector;
  if (settings.enabled) {
    auto collector =
        CollectorService::open(app, state->metrics, *state->http, http::is_loopback_name(options.host), state->auditor);
    if (collector.ok()) {
      state->collector = std::move(collector).value();
    } else if (collector.error().code == "wal.locked") {
      // Another server of this home collects; this one shows.
      base::log::warning("collect.elsewhere", {{"home", app.home().directory},
                                               {"advice", "another shoplake serve of this home takes the events"}});
    } else {
      return std::move(collector).error();
    }
  } else {  // switched off is not down
    state->metrics.describe_gauge("shoplake_pipeline_up",
                                  "1 while a stage of the pipeline works, 0 while it does not.");
    state->metrics.set("shoplake_pipeline_up", {{"stage", "collect"}}, 1);
  }
  state->live = std::make_unique<serve::LiveFeed>(
      [raw = state.get()] { return raw->collector ? raw->collector->view() : serve::LiveView(); });
  State* raw = state.get();
  const bool loads_drops = state->collector || !settings.enabled;  // else another server of this home does it
  if (loads_drops)
    state->drops = std::make_unique<DropWatcher>(app, state->metrics, [raw] { raw->flows->note_objects(); });
  state->flows = SHOPLAKE_TRY(FlowService::open(app, state->metrics, [raw] {
    if (raw->drops)
      raw->drops->wake();
  }));
  state->flow_api = std::make_unique<FlowApi>(app, *state->flows);
  state->add_routes();
  SHOPLAKE_TRY(state->http->start());
  state->warm_up = std::jthread([raw] { raw->warm(); });
  state->flows->start();
  if (loads_drops) {
    state->drops->start();
    state->watch = SHOPLAKE_TRY(WatchService::open(app, state->metrics, *state->lake));
    state->watch->start();
  }
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::string Server::address() const { return state_->http->address(); }
std::uint16_t Server::port() const { return state_->http->port(); }
bool Server::on_loopback() const { return state_->http->on_loopback(); }

void Server::stop() {
  if (state_->watch)
    state_->watch->stop();
  state_->stop_files();
  state_->queries->stop();
  state_->http->stop();
  if (state_->warm_up.joinable())
    state_->warm_up.join();
  if (state_->collector)
    state_->collector->stop();
}

}  // namespace shoplake::app
