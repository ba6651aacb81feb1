#include "app/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/moment.h"
#include "flow/store.h"

namespace shoplake::app {
namespace {

using base::Result;
using cost::Usage;

constexpr std::int64_t kHourMicros = 3'600'000'000;
constexpr std::int64_t kGaugesIntervalMicros = 300'000'000;
constexpr std::int64_t kExecutionsRead = 10'000;
constexpr std::int64_t kEventsAtOnce = 10'000;
constexpr int kFolderDepthMax = 12;

// Commands that stand for a job of AWS Glue.
constexpr std::string_view kJobs[] = {
    "load",       "ingest", "build", "run", "seed", "snapshot", "replay", "catalog compact", "quarantine retry",
    "quality run"};

double seconds(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

// Bytes that this process has read by system calls; 0 if the system does not say.
std::int64_t bytes_read() {
  std::ifstream file("/proc/self/io");
  std::string name;
  std::int64_t bytes = 0;
  file >> name >> bytes;
  return name == "rchar:" ? bytes : 0;
}

Result<double> folder_bytes(io::Env& env, const std::string& folder, int depth = 0) {
  double bytes = 0;
  if (depth > kFolderDepthMax)
    return bytes;
  auto entries = env.list_directory(folder);
  if (!entries.ok())
    return entries.error().kind == base::ErrorKind::not_found ? Result<double>(0.0) : Result<double>(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    bytes += entry.is_directory ? SHOPLAKE_TRY(folder_bytes(env, io::join_path(folder, entry.name), depth + 1))
                                : static_cast<double>(entry.size_bytes);
  }
  return bytes;
}

// ── flows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// What the tasks of one execution took, by the service of their resource.
class ExecutionUsage {
 public:
  explicit ExecutionUsage(const cost::BillingRules& rules) : rules_(rules) {}

  void take(const flow::Json& event) {
    const std::string type = event.value("type", "");
    const std::int64_t at = base::parse_timestamp(event.value("timestamp", "")).value_or(0);
    const auto id = event.value("id", std::int64_t{0});
    const auto previous = event.value("previousEventId", std::int64_t{0});
    if (type.ends_with("StateEntered")) {
      ++transitions_;
    } else if (type == "LambdaFunctionScheduled") {
      scheduled_[id] = {"lambda", at};
    } else if (type == "TaskScheduled" && event.contains("taskScheduledEventDetails")) {
      const auto& details = event["taskScheduledEventDetails"];
      scheduled_[id] = {details.value("resourceType", "") + ":" + details.value("resource", ""), at};
    } else if (const auto begun = scheduled_.find(previous); begun != scheduled_.end()) {
      Task task = begun->second;
      scheduled_.erase(begun);
      if (type.ends_with("Started"))
        scheduled_[id] = std::move(task);
      else
        bill(task.resource, seconds(std::max<std::int64_t>(0, at - task.begun_micros)));
    }
  }

  std::int64_t transitions() const { return transitions_; }
  const std::map<std::string, double>& meters() const { return meters_; }

 private:
  struct Task {
    std::string resource;
    std::int64_t begun_micros = 0;
  };

  void bill(const std::string& resource, double took) {
    if (resource.starts_with("lambda")) {
      meters_[std::string(cost::kLambdaRequests)] += 1;
      meters_[std::string(cost::kLambdaGigabyteSeconds)] += took * rules_.lambda_gigabytes;
    } else if (resource.find("glue") != std::string::npos) {
      const bool is_crawler = resource.find("rawler") != std::string::npos;
      if (!is_crawler || resource.find("start") != std::string::npos)
        meters_[std::string(cost::kGlueDpuSeconds)] +=
            is_crawler ? cost::billed_crawler_dpu_seconds(rules_, took) : cost::billed_job_dpu_seconds(rules_, took);
    }
  }

  const cost::BillingRules& rules_;
  std::int64_t transitions_ = 0;
  std::map<std::int64_t, Task> scheduled_;  // by the id of the task's last event
  std::map<std::string, double> meters_;
};

struct FlowUsage {
  std::vector<FlowCost> flows;
  std::map<std::int64_t, double> transitions_by_day;
};

Result<FlowUsage> flow_usage(App& app, const cost::PriceList& prices, std::int64_t first_day, std::int64_t last_day) {
  FlowUsage found;
  std::map<std::string, FlowCost> by_name;
  const auto store = SHOPLAKE_TRY(flow::Store::open(app.home().control_plane));
  flow::ExecutionFilter filter;
  filter.rows_max = kExecutionsRead;
  for (const flow::ExecutionRow& row : SHOPLAKE_TRY(store->list(filter))) {
    const std::int64_t day = base::day_of(row.started_micros);
    if (day < first_day || day > last_day)
      continue;
    ExecutionUsage usage(prices.rules);
    for (std::int64_t after = 0;;) {
      const auto events = SHOPLAKE_TRY(store->history(row.id, after, kEventsAtOnce));
      for (const flow::Json& event : events)
        usage.take(event);
      if (std::ssize(events) < kEventsAtOnce)
        break;
      after = events.back().value("id", after);
    }
    FlowCost& flow = by_name[row.flow];
    flow.flow = row.flow;
    ++flow.executions;
    flow.transitions += usage.transitions();
    found.transitions_by_day[day] += static_cast<double>(usage.transitions());
    for (const auto& [meter, quantity] : usage.meters())
      flow.dollars[meter] += prices.dollars(meter, quantity);
  }
  for (auto& [name, flow] : by_name) {
    flow.dollars[std::string(cost::kTransitions)] =
        prices.dollars(cost::kTransitions, static_cast<double>(flow.transitions));
    for (const auto& [meter, dollars] : flow.dollars)
      flow.total += dollars;
    found.flows.push_back(std::move(flow));
  }
  std::ranges::sort(found.flows, std::ranges::greater(), &FlowCost::total);
  return found;
}

}  // namespace

Result<cost::PriceList> load_prices(App& app) {
  std::string path = io::join_path(app.home().directory, "prices.yml");
  if (!SHOPLAKE_TRY(app.env().exists(path)))
    path = io::join_path(app.installation().share_directory, "prices/aws.yml");
  return cost::parse_prices(SHOPLAKE_TRY(app.env().read_file(path)), path);
}

Result<CostReport> cost_report(App& app, std::int64_t first_day, std::int64_t last_day) {
  const cost::PriceList prices = SHOPLAKE_TRY(load_prices(app));
  const auto ledger = SHOPLAKE_TRY(cost::Ledger::open(app.home().control_plane));
  std::vector<Usage> all = SHOPLAKE_TRY(ledger->usage(first_day, last_day));
  FlowUsage flows = SHOPLAKE_TRY(flow_usage(app, prices, first_day, last_day));
  for (const auto& [day, transitions] : flows.transitions_by_day)
    all.push_back({day, "flow", std::string(cost::kTransitions), transitions});
  std::ranges::sort(all, {}, [](const Usage& one) { return std::tie(one.day, one.stage, one.meter); });

  CostReport report;
  report.price_date = prices.date;
  report.region = prices.region;
  report.first_day = first_day;
  report.last_day = last_day;
  report.daily_budget = app.home().watch.daily_budget;
  report.monthly_budget = app.home().watch.monthly_budget;
  report.flows = std::move(flows.flows);
  for (const Usage& one : all) {
    const auto price = prices.prices.find(one.meter);
    report.lines.push_back({one.day, one.stage, one.meter, one.quantity,
                            price == prices.prices.end() ? "" : price->second.unit,
                            prices.dollars(one.meter, one.quantity)});
    report.total += report.lines.back().dollars;
  }
  for (cost::QueryGroup& group :
       SHOPLAKE_TRY(ledger->queries(first_day, last_day, prices.rules.athena_query_bytes, kQueriesShown))) {
    const double dollars = prices.dollars(cost::kAthenaBytes, group.billed_bytes);
    report.queries.push_back({std::move(group), dollars});
  }
  return report;
}

void record_command_cost(App& app, std::string_view command, std::int64_t micros) {
  const bool is_crawl = command == "catalog crawl";
  if (!is_crawl && std::ranges::find(kJobs, command) == std::end(kJobs))
    return;
  const auto record = [&]() -> Result<void> {
    const cost::BillingRules rules = SHOPLAKE_TRY(load_prices(app)).rules;
    const auto ledger = SHOPLAKE_TRY(cost::Ledger::open(app.home().control_plane));
    const std::vector<Usage> usage{{base::day_of(app.env().now_micros()), std::string(command),
                                    std::string(cost::kGlueDpuSeconds),
                                    is_crawl ? cost::billed_crawler_dpu_seconds(rules, seconds(micros))
                                             : cost::billed_job_dpu_seconds(rules, seconds(micros))}};
    return ledger->add(usage);
  };
  if (const Result<void> recorded = record(); !recorded.ok())
    base::log::warning("cost.not_recorded", {{"error", recorded.error().message}, {"code", recorded.error().code}});
}

// ── queries ───────────────────────────────────────────────────────────────────────────────────────────────────────

QueryMeter::QueryMeter(App& app, std::string source)
    : app_(app), source_(std::move(source)), began_micros_(app.env().monotonic_micros()), read_before_(bytes_read()) {}

void QueryMeter::end(std::string_view sql) {
  cost::QueryUsage query;
  query.at_micros = app_.env().now_micros();
  query.source = source_;
  query.shape = cost::query_shape(sql);
  query.scanned_bytes = std::max<std::int64_t>(0, bytes_read() - read_before_);
  query.took_micros = app_.env().monotonic_micros() - began_micros_;
  const auto record = [&]() -> Result<void> {
    const cost::BillingRules rules = SHOPLAKE_TRY(load_prices(app_)).rules;
    const auto ledger = SHOPLAKE_TRY(cost::Ledger::open(app_.home().control_plane));
    SHOPLAKE_TRY(ledger->add(query));
    const std::vector<Usage> usage{{base::day_of(query.at_micros), "query", std::string(cost::kAthenaBytes),
                                    cost::billed_athena_bytes(rules, static_cast<double>(query.scanned_bytes))}};
    return ledger->add(usage);
  };
  if (const Result<void> recorded = record(); !recorded.ok())
    base::log::warning("cost.not_recorded", {{"error", recorded.error().message}, {"code", recorded.error().code}});
}

// ── the server ────────────────────────────────────────────────────────────────────────────────────────────────────

CostRecorder::CostRecorder(App& app, base::Metrics& metrics, cost::PriceList prices,
                           std::unique_ptr<cost::Ledger> ledger)
    : app_(app), metrics_(metrics), prices_(std::move(prices)), ledger_(std::move(ledger)) {
  metrics_.describe_gauge("shoplake_cost_dollars", "What the day or month so far would have cost on AWS.");
  metrics_.describe_gauge("shoplake_budget_used_ratio", "That, as a share of the budget.");
}

Result<std::unique_ptr<CostRecorder>> CostRecorder::open(App& app, base::Metrics& metrics) {
  cost::PriceList prices = SHOPLAKE_TRY(load_prices(app));
  auto ledger = SHOPLAKE_TRY(cost::Ledger::open(app.home().control_plane));
  return std::unique_ptr<CostRecorder>(new CostRecorder(app, metrics, std::move(prices), std::move(ledger)));
}

std::map<std::string, double> CostRecorder::grown(const std::string& metric, const std::string& label,
                                                  bool counts_observations) {
  std::map<std::string, double> growth;
  for (const base::Metrics::Sample& sample : metrics_.samples({metric})) {
    std::string value, key = metric + (counts_observations ? "#" : "");
    for (const auto& [name, text] : sample.labels) {
      key += '\0' + text;
      if (name == label)
        value = text;
    }
    const double now = counts_observations ? static_cast<double>(sample.count) : sample.value;
    growth[value] += now - std::exchange(before_[key], now);
  }
  return growth;
}

Result<void> CostRecorder::add_storage(std::int64_t now_micros, std::vector<Usage>& usage) {
  if (storage_since_micros_ == 0)
    storage_since_micros_ = now_micros;
  if (now_micros - storage_since_micros_ < kHourMicros)
    return {};
  const double days = static_cast<double>(now_micros - std::exchange(storage_since_micros_, now_micros)) /
                      static_cast<double>(base::kMicrosPerDay);
  const double bytes = SHOPLAKE_TRY(folder_bytes(app_.env(), app_.home().lake_root));
  usage.push_back({base::day_of(now_micros), "storage", std::string(cost::kStorageByteDays), bytes * days});
  return {};
}

Result<void> CostRecorder::record(std::int64_t now_micros) {
  const std::int64_t day = base::day_of(now_micros);
  std::vector<Usage> usage;
  const auto add = [&](const std::string& stage, std::string_view meter, double quantity) {
    if (quantity > 0)
      usage.push_back({day, stage, std::string(meter), quantity});
  };
  const auto bytes = grown("IncomingBytes", "stream", false);
  for (const auto& [stream, records] : grown("IncomingRecords", "stream", false)) {
    const auto size = bytes.find(stream);
    add("collect", cost::kFirehoseBytes,
        cost::billed_firehose_bytes(prices_.rules, records, size == bytes.end() ? 0 : size->second));
  }
  for (const auto& [stream, objects] : grown("DeliveryToS3_Success", "stream", false))
    add("deliver", cost::kPutRequests, objects);
  for (const auto& [stage, count] : grown("Invocations", "stage", false)) {
    add(stage, cost::kLambdaRequests, count);
    add(stage, cost::kGetRequests, count);
  }
  for (const auto& [stage, took] : grown("Duration", "stage", false))
    add(stage, cost::kLambdaGigabyteSeconds, took * prices_.rules.lambda_gigabytes);
  for (const auto& [part, steps] : grown("shoplake_live_step_seconds", "", true))
    add("live", cost::kLambdaRequests, steps);
  for (const auto& [part, took] : grown("shoplake_live_step_seconds", "", false))
    add("live", cost::kLambdaGigabyteSeconds, took * prices_.rules.lambda_gigabytes);
  for (const auto& [none, commits] : grown("shoplake_catalog_commits_total", "", false))
    add("catalog", cost::kPutRequests, commits * prices_.rules.s3_puts_per_commit);
  SHOPLAKE_TRY(add_storage(now_micros, usage));
  SHOPLAKE_TRY(ledger_->add(usage));
  return set_gauges(now_micros);
}

Result<void> CostRecorder::set_gauges(std::int64_t now_micros) {
  if (now_micros < gauges_next_micros_)
    return {};
  gauges_next_micros_ = now_micros + kGaugesIntervalMicros;
  const std::int64_t today = base::day_of(now_micros);
  const std::int64_t month_begin = today - base::civil_day(today).day + 1;
  const CostReport month = SHOPLAKE_TRY(cost_report(app_, month_begin, today));
  double spent_today = 0;
  for (const CostLine& line : month.lines)
    spent_today += line.day == today ? line.dollars : 0;
  metrics_.set("shoplake_cost_dollars", {{"period", "day"}}, spent_today);
  metrics_.set("shoplake_cost_dollars", {{"period", "month"}}, month.total);
  if (month.daily_budget)
    metrics_.set("shoplake_budget_used_ratio", {{"period", "day"}}, spent_today / *month.daily_budget);
  if (month.monthly_budget)
    metrics_.set("shoplake_budget_used_ratio", {{"period", "month"}}, month.total / *month.monthly_budget);
  return {};
}

}  // namespace shoplake::app
