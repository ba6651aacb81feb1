#include "app/tasks/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/catalog.h"
#include "app/crawl.h"
#include "app/load.h"
#include "app/maintenance.h"
#include "app/quality.h"
#include "app/tasks/file_validation.h"
#include "app/tasks/ga_ingest_function.h"
#include "app/tasks/outcome.h"
#include "base/moment.h"
#include "flow/store.h"

namespace shoplake::app {

using base::ErrorKind;
using base::make_error;
using base::Result;
using flow::Json;
using flow::TaskCall;

namespace {

constexpr std::size_t kListedMax = 100;  // files, failures: an answer has at most 256 KiB
constexpr std::int64_t kExecutionDaysDefault = 90;

// ── load ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// A path below the lake as the payload gives it.
Result<std::string> lake_path(const App& app, const std::string& path) {
  const bool leaves = path.starts_with('/') || path.starts_with("../") || path.find("/../") != std::string::npos;
  if (path.empty() || leaves)
    return make_error(ErrorKind::usage, "task.parameters", fmt::format("{} is no path below the lake", path),
                      "Give objects as raw/events/date=2026-11-20/ga4.ndjson.gz.");
  return io::join_path(app.home().lake_root, path);
}

Result<Json> load_files(App& app, const TaskCall& call, const Json& payload) {
  LoadOptions options;
  options.dataset = SHOPLAKE_TRY(needed_parameter(payload, "dataset"));
  for (const std::string& path : SHOPLAKE_TRY(list_parameter(payload, "objects")))
    options.paths.push_back(SHOPLAKE_TRY(lake_path(app, path)));
  options.stop = call.stop;
  options.on_file = [&](const LoadedFile&) { call.heartbeat(); };
  const LoadReport report = SHOPLAKE_TRY(load(app, options));
  if (const base::Error* error = report.first_error())
    return *error;
  Json files = Json::array();
  for (const LoadedFile& file : report.files) {
    if (files.size() < kListedMax)
      files.push_back({{"object", file.raw_object},
                       {"status", file.status == LoadedFile::Status::skipped ? "skipped" : "loaded"},
                       {"rows", file.rows},
                       {"rejected_rows", file.rejected}});
  }
  return Json{{"dataset", report.dataset},
              {"table", report.table},
              {"rows", report.rows()},
              {"rejected_rows", report.rejected()},
              {"file_count", report.files.size()},
              {"files", std::move(files)}};
}

// ── quality_checks ────────────────────────────────────────────────────────────────────────────────────────────────

Json failures_of(const quality::Run& run) {
  Json failures = Json::array();
  for (const quality::TableRun& table : run.tables) {
    for (const quality::RuleResult& result : table.results) {
      if (quality::is_bad(result) && failures.size() < kListedMax)
        failures.push_back({{"table", table.table},
                            {"rule", result.rule.name},
                            {"severity", quality::name(result.rule.severity)},
                            {"outcome", quality::name(result.outcome)},
                            {"message", result.message}});
    }
  }
  return failures;
}

std::string in_words(const Json& failures, std::int64_t count) {
  std::string text = fmt::format("{} rule{} not satisfied", count, count == 1 ? " is" : "s are");
  std::size_t said = 0;
  for (const Json& each : failures) {
    if (said++ == 3) {
      text += "; …";
      break;
    }
    text += fmt::format("{}{}: {}: {}", said == 1 ? ": " : "; ", each["table"].get<std::string>(),
                        each["rule"].get<std::string>(), each["message"].get<std::string>());
  }
  return text;
}

Result<Json> check_quality(App& app, const TaskCall& call, const Json& payload) {
  QualityRunOptions options;
  options.tables = SHOPLAKE_TRY(list_parameter(payload, "tables"));
  const std::string fail_on = SHOPLAKE_TRY(text_parameter(payload, "fail_on")).value_or("block");
  if (fail_on != "block" && fail_on != "any" && fail_on != "never")
    return make_error(ErrorKind::usage, "task.parameters", fmt::format("fail_on is \"{}\"", fail_on),
                      "It is block, any or never.");
  options.stop = call.stop;
  options.on_table = [&](const quality::TableRun&) { call.heartbeat(); };
  const QualityReport report = SHOPLAKE_TRY(run_quality(app, options));
  const std::int64_t failed = report.count(quality::Outcome::fail), errors = report.count(quality::Outcome::error);
  Json failures = failures_of(report.run);
  if ((fail_on == "block" && report.blocks()) || (fail_on == "any" && failed + errors > 0)) {
    return make_error(ErrorKind::failed, "quality.check_failed", in_words(failures, failed + errors),
                      fmt::format("See `shoplake quality show {}`.", report.run.id.substr(0, 8)));
  }
  return Json{{"run_id", report.run.id},
              {"passed", report.count(quality::Outcome::pass)},
              {"failed", failed},
              {"errors", errors},
              {"skipped", report.count(quality::Outcome::skipped)},
              {"absent", report.absent},
              {"failures", std::move(failures)}};
}

// ── refresh_tables ────────────────────────────────────────────────────────────────────────────────────────────────

Result<Json> refresh_tables(App& app, const TaskCall& call, const Json& payload) {
  CrawlRequest request;
  request.place = "raw";
  request.stop = call.stop;
  const crawl::CrawlReport crawled = SHOPLAKE_TRY(crawl_lake(app, request));
  Json changed = Json::array();
  for (const crawl::CrawledTable& table : crawled.tables) {
    if (table.error)
      return table.error->kind == ErrorKind::internal ? *table.error : base::Error(*table.error).within(table.name);
    if (!table.changes.empty() && changed.size() < kListedMax)
      changed.push_back(table.name);
  }
  const std::vector<RelationSummary> relations = SHOPLAKE_TRY(list_relations(app, ""));
  Json tables = Json::array();
  for (const std::string& name : SHOPLAKE_TRY(list_parameter(payload, "tables"))) {
    const auto found = std::ranges::find(relations, name, &RelationSummary::name);
    if (found == relations.end())
      return make_error(ErrorKind::not_found, "catalog.no_such_table", fmt::format("there is no table {}", name),
                        "`shoplake catalog ls` lists the tables.");
    if (!found->error.empty())
      return make_error(ErrorKind::failed, "catalog.unreadable_table",
                        fmt::format("{} cannot be read: {}", name, found->error));
    Json table{{"name", name}, {"updated_at", found->updated_at}};
    if (found->rows)
      table["rows"] = *found->rows;
    tables.push_back(std::move(table));
  }
  return Json{{"changed", std::move(changed)}, {"tables", std::move(tables)}};
}

// ── maintenance ───────────────────────────────────────────────────────────────────────────────────────────────────

Result<Json> compact(App& app, const TaskCall& call, const Json& payload) {
  CompactOptions options;
  options.names = SHOPLAKE_TRY(list_parameter(payload, "tables"));
  options.stop = call.stop;
  std::int64_t removed = 0, added = 0;
  Json failed = Json::array();
  for (const CompactedTable& table : SHOPLAKE_TRY(compact_tables(app, options))) {
    removed += table.report.files_removed;
    added += table.report.files_added;
    if (table.error && failed.size() < kListedMax)
      failed.push_back({{"table", table.name}, {"message", table.error->message}});
  }
  return Json{{"files_removed", removed}, {"files_added", added}, {"failed", std::move(failed)}};
}

Result<Json> expire(App& app, const TaskCall& call, const Json& payload) {
  ExpireOptions options;
  options.names = SHOPLAKE_TRY(list_parameter(payload, "tables"));
  options.stop = call.stop;
  const ExpireReport report = SHOPLAKE_TRY(expire_tables(app, options));
  std::int64_t expired = 0;
  Json failed = Json::array();
  for (const ExpiredTable& table : report.tables) {
    expired += table.expired;
    if (table.error && failed.size() < kListedMax)
      failed.push_back({{"table", table.name}, {"message", table.error->message}});
  }
  return Json{{"snapshots_expired", expired}, {"files_removed", report.files_removed}, {"failed", std::move(failed)}};
}

Result<Json> remove_orphans(App& app, const TaskCall& call, const Json&) {
  OrphansOptions options;
  options.stop = call.stop;
  const maintain::OrphanReport report = SHOPLAKE_TRY(remove_orphans(app, options));
  return Json{{"files_removed", report.orphans.size()}, {"bytes", report.bytes}, {"too_young", report.too_young}};
}

Result<Json> retain(App& app, const TaskCall& call, const Json&) {
  RetainOptions options;
  options.stop = call.stop;
  std::int64_t objects = 0;
  std::uint64_t bytes = 0;
  const maintain::RetentionReport report = SHOPLAKE_TRY(apply_retention(app, options));
  for (const auto& line : report.lines) {
    objects += line.objects;
    bytes += line.bytes;
  }
  return Json{{"objects_removed", objects}, {"bytes", bytes}};
}

Result<Json> forget_executions(App& app, const Json& payload) {
  std::int64_t days = kExecutionDaysDefault;
  if (const auto given = payload.find("days"); payload.is_object() && given != payload.end()) {
    if (!given->is_number_integer() || *given < 1 || *given > 36'600)
      return make_error(ErrorKind::usage, "task.parameters", "days is no number from 1 to 36600");
    days = given->get<std::int64_t>();
  }
  const auto store = SHOPLAKE_TRY(flow::Store::open(app.home().control_plane));
  const auto removed = SHOPLAKE_TRY(store->forget_before(app.env().now_micros() - days * base::kMicrosPerDay));
  return Json{{"executions_removed", removed}};
}

}  // namespace

std::map<std::string, Function, std::less<>> flow_functions(App& app) {
  std::map<std::string, Function, std::less<>> all;
  const auto add = [&](const char* name, auto body) {
    all.emplace(name, Function{[&app, body](const TaskCall& call, const Json& payload) -> Result<Json> {
                                 return body(app, call, payload);
                               },
                               true});
  };
  add("validate_files", &validate_files);
  add("load", &load_files);
  add("ga_ingest", &ga_ingest);
  add("quality_checks", &check_quality);
  add("refresh_tables", &refresh_tables);
  add("compact_tables", &compact);
  add("expire_snapshots", &expire);
  add("remove_orphans", static_cast<Result<Json> (*)(App&, const TaskCall&, const Json&)>(&remove_orphans));
  add("apply_retention", &retain);
  add("forget_executions",
      [](App& given, const TaskCall&, const Json& payload) { return forget_executions(given, payload); });
  return all;
}

}  // namespace shoplake::app
