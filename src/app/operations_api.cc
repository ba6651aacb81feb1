#include "app/operations_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/operations_json.h"
#include "base/moment.h"
#include "flow/store.h"

namespace shoplake::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kShownChanges = 50;
constexpr std::int64_t kShownNotifications = 50;
constexpr std::int64_t kExecutionsRead = 500;
constexpr std::size_t kExecutionsShown = 20;  // of a flow
constexpr std::int64_t kEventsRead = 5'000;   // of the execution whose states are shown
constexpr std::int64_t kCostDaysDefault = 30;
constexpr std::int64_t kCostDaysMax = 400;
constexpr char kQualityResults[] = "quality.results";

// The last thirty results of each rule, the newest first, by table and rule.
constexpr char kQualitySql[] = R"(
select
    table_name, rule_name, rule, severity, owner, outcome, value, expected, message, failed_rows, is_published,
    epoch_us(run_at) as run_at_micros
from quality.results
qualify row_number() over (partition by table_name, rule_name order by run_at desc, run_id desc) <= 30
order by table_name, rule_name, run_at_micros desc
)";

http::Response answer(Result<std::string> body) {
  if (!body.ok())
    return http::error_response(body.error());
  http::Response response = http::json_response(std::move(body).value());
  response.set("Cache-Control", "no-store");
  return response;
}

std::string text_of(const Json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Json moment(const std::optional<std::int64_t>& micros) {
  return micros ? Json(base::timestamp_text(*micros)) : Json(nullptr);
}

// ── stages ────────────────────────────────────────────────────────────────────────────────────────────────────────

struct StageMetrics {
  const char* stage;
  const char* count;      // counter; "" none
  const char* errors;     // counter
  const char* waiting;    // gauge
  const char* freshness;  // gauge, seconds
  const char* label;      // of the consumer or stage, for the two gauges and for Invocations
};
constexpr StageMetrics kStages[] = {
    {"collect", "IncomingRecords", "shoplake_collect_rejected_total", "", "", ""},
    {"log", "shoplake_wal_records_total", "shoplake_wal_failed_total", "", "", ""},
    {"deliver", "DeliveryToS3_Records", "shoplake_delivery_failures_total", "shoplake_log_waiting_records",
     "shoplake_log_freshness_seconds", "deliver"},
    {"transform", "Invocations", "Errors", "shoplake_transform_waiting_objects", "shoplake_transform_freshness_seconds",
     "transform"},
    {"live", "shoplake_live_records_total", "shoplake_live_rejected_total", "shoplake_log_waiting_records",
     "shoplake_log_freshness_seconds", "live"},
    {"ingest", "Invocations", "Errors", "", "", "ingest"},
    {"catalog", "shoplake_catalog_commits_total", "shoplake_catalog_commit_conflicts_total", "", "", ""},
    {"notify", "shoplake_notifications_total", "", "", "", ""}};

// The sum over the series that belong to the stage; nothing if there is none.
Json sum_of(const std::vector<base::Metrics::Sample>& samples, std::string_view metric, std::string_view label) {
  std::optional<double> sum;
  for (const base::Metrics::Sample& sample : samples) {
    if (sample.name != metric)
      continue;
    const auto named = std::ranges::find_if(
        sample.labels, [](const auto& one) { return one.first == "consumer" || one.first == "stage"; });
    if (label.empty() || named == sample.labels.end() || named->second == label)
      sum = sum.value_or(0) + sample.value;
  }
  return sum ? Json(*sum) : Json(nullptr);
}

Json stage_documents(base::Metrics& metrics) {
  std::set<std::string> names{"shoplake_pipeline_up"};
  for (const StageMetrics& stage : kStages) {
    for (const char* name : {stage.count, stage.errors, stage.waiting, stage.freshness}) {
      if (*name != '\0')
        names.insert(name);
    }
  }
  const auto samples = metrics.samples(names);
  Json stages = Json::array();
  for (const StageMetrics& stage : kStages) {
    const bool has_up = std::ranges::any_of(samples, [&](const auto& sample) {
      return sample.name == "shoplake_pipeline_up" && !sample.labels.empty() && sample.labels[0].second == stage.stage;
    });
    stages.push_back({{"stage", stage.stage},
                      {"up", has_up ? sum_of(samples, "shoplake_pipeline_up", stage.stage) : Json(nullptr)},
                      {"count", sum_of(samples, stage.count, stage.label)},
                      {"errors", sum_of(samples, stage.errors, stage.label)},
                      {"waiting", sum_of(samples, stage.waiting, stage.label)},
                      {"freshness_seconds", sum_of(samples, stage.freshness, stage.label)}});
  }
  return stages;
}

// ── flows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// Where each state of an execution is, by its name: RUNNING, SUCCEEDED, FAILED.
Result<Json> state_documents(flow::Store& store, const flow::ExecutionRow& row) {
  std::map<std::string, Json> states;
  std::string last;  // state that was entered last: that is where a failed execution ended
  for (const flow::Json& event : SHOPLAKE_TRY(store.history(row.id, 0, kEventsRead))) {
    const std::string type = event.value("type", "");
    const auto at = event.value("timestamp", "");
    if (type.ends_with("StateEntered") && event.contains("stateEnteredEventDetails")) {
      last = event["stateEnteredEventDetails"].value("name", "");
      Json& state = states[last];
      const int visits = state.is_object() ? state.value("visits", 0) : 0;
      state = {{"status", "RUNNING"}, {"entered_at", at}, {"exited_at", nullptr}, {"visits", visits + 1}};
    } else if (type.ends_with("StateExited") && event.contains("stateExitedEventDetails")) {
      Json& state = states[event["stateExitedEventDetails"].value("name", "")];
      state["status"] = "SUCCEEDED";
      state["exited_at"] = at;
    }
  }
  if (row.status != flow::ExecutionStatus::running) {
    for (auto& [name, state] : states) {
      if (state.value("status", "") == "RUNNING")
        state["status"] = flow::name(row.status) == "SUCCEEDED" ? "SUCCEEDED" : "FAILED";
    }
  }
  Json documents = Json::object();
  for (auto& [name, state] : states)
    documents[name] = std::move(state);
  return documents;
}

Json execution_document(const flow::ExecutionRow& row) {
  return {{"name", row.name},
          {"status", flow::name(row.status)},
          {"started_by", row.started_by},
          {"started_at", base::timestamp_text(row.started_micros)},
          {"ended_at", moment(row.ended_micros)},
          {"error", row.error ? Json(*row.error) : Json(nullptr)},
          {"cause", row.cause ? Json(*row.cause) : Json(nullptr)}};
}

Result<Json> flow_documents(App& app) {
  const auto store = SHOPLAKE_TRY(flow::Store::open(app.home().control_plane));
  flow::ExecutionFilter filter;
  filter.rows_max = kExecutionsRead;
  std::map<std::string, std::vector<flow::ExecutionRow>> by_flow;
  for (flow::ExecutionRow& row : SHOPLAKE_TRY(store->list(filter))) {
    auto& rows = by_flow[row.flow];
    if (rows.size() < kExecutionsShown)
      rows.push_back(std::move(row));
  }
  Json flows = Json::array();
  for (const auto& [name, rows] : by_flow) {
    Json executions = Json::array();
    for (const flow::ExecutionRow& row : rows)
      executions.push_back(execution_document(row));
    const Json definition = Json::parse(rows.front().definition, nullptr, false);
    Json states = SHOPLAKE_TRY(state_documents(*store, rows.front()));
    flows.push_back({{"flow", name},
                     {"definition", definition.is_discarded() ? Json(nullptr) : definition},
                     {"states", std::move(states)},
                     {"executions", std::move(executions)}});
  }
  return flows;
}

// ── quality ───────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Json> quality_documents(serve::Lake& lake) {
  const std::vector<std::string> table{kQualityResults};
  const auto versions = SHOPLAKE_TRY(lake.versions(table));
  Json tables = Json::array();
  if (versions.empty() || versions[0].snapshot_id == 0)
    return tables;
  const serve::Rows rows = SHOPLAKE_TRY(lake.query(kQualitySql));
  for (const auto& row : rows.rows) {
    Json result;
    for (std::size_t i = 0; i < rows.columns.size(); ++i)
      result[rows.columns[i]] = Json::parse(engine::to_json(row[i]));
    result["run_at"] = base::timestamp_text(result["run_at_micros"].get<std::int64_t>());
    if (tables.empty() || tables.back()["table"] != result["table_name"])
      tables.push_back({{"table", result["table_name"]}, {"rules", Json::array()}});
    Json& rules = tables.back()["rules"];
    if (rules.empty() || rules.back()["name"] != result["rule_name"]) {
      rules.push_back({{"name", result["rule_name"]},
                       {"rule", result["rule"]},
                       {"severity", result["severity"]},
                       {"owner", result["owner"]},
                       {"outcome", result["outcome"]},
                       {"value", result["value"]},
                       {"expected", result["expected"]},
                       {"message", result["message"]},
                       {"failed_rows", result["failed_rows"]},
                       {"run_at", result["run_at"]},
                       {"history", Json::array()}});
    }
    rules.back()["history"].push_back({{"run_at", result["run_at"]},
                                       {"outcome", result["outcome"]},
                                       {"value", result["value"]},
                                       {"is_published", result["is_published"]}});
  }
  return tables;
}

// ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────

struct Days {
  std::int64_t first = 0, last = 0;
};
Result<Days> chosen_days(const http::Request& request, std::int64_t now_micros) {
  Days days;
  days.last = base::day_of(now_micros);
  days.first = days.last - kCostDaysDefault + 1;
  for (const auto& [name, value] : request.parameters()) {
    const auto day = base::parse_date(value);
    if ((name != "from" && name != "to") || !day) {
      return base::make_error(base::ErrorKind::usage, "serve.bad_parameter",
                              fmt::format("{}={} is not a date", name, value), "from and to are written 2026-11-20");
    }
    (name == "from" ? days.first : days.last) = *day;
  }
  if (days.first > days.last || days.last - days.first >= kCostDaysMax) {
    return base::make_error(base::ErrorKind::usage, "serve.bad_parameter", "from and to name no range of days",
                            fmt::format("at most {} days, from before to", kCostDaysMax));
  }
  return days;
}

}  // namespace

http::Response OperationsApi::pipeline(const http::Request& /*request*/) {
  const auto build = [&]() -> Result<std::string> {
    Json document;
    document["at"] = base::timestamp_text(app_.env().now_micros());
    document["stages"] = stage_documents(metrics_);
    document["flows"] = SHOPLAKE_TRY(flow_documents(app_));
    return text_of(document);
  };
  return answer(build());
}

http::Response OperationsApi::quality(const http::Request& /*request*/) {
  const auto build = [&]() -> Result<std::string> {
    Json document;
    document["tables"] = SHOPLAKE_TRY(quality_documents(lake_));
    return text_of(document);
  };
  return answer(build());
}

http::Response OperationsApi::alarms(const http::Request& /*request*/) {
  const auto build = [&]() -> Result<std::string> {
    return fmt::format(
        R"({{"alarms":{},"history":{},"topics":{},"notifications":{}}})", to_json(SHOPLAKE_TRY(list_alarms(app_))),
        to_json(SHOPLAKE_TRY(alarm_history(app_, "", kShownChanges))), to_json(SHOPLAKE_TRY(list_topics(app_))),
        to_json(SHOPLAKE_TRY(topic_history(app_, "", kShownNotifications))));
  };
  return answer(build());
}

http::Response OperationsApi::cost(const http::Request& request) {
  const auto build = [&]() -> Result<std::string> {
    const Days days = SHOPLAKE_TRY(chosen_days(request, app_.env().now_micros()));
    return to_json(SHOPLAKE_TRY(cost_report(app_, days.first, days.last)));
  };
  return answer(build());
}

}  // namespace shoplake::app
