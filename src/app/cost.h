// What the work of a home would cost on AWS: measured as it happens, priced when asked (docs/cost.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/metrics.h"
#include "base/result.h"
#include "cost/ledger.h"
#include "cost/prices.h"

namespace shoplake::app {

// <home>/prices.yml if there is one, else the installation's.
base::Result<cost::PriceList> load_prices(App& app);

struct CostLine {
  std::int64_t day = 0;
  std::string stage;
  std::string meter;
  double quantity = 0;
  std::string unit;
  double dollars = 0;
};
struct FlowCost {
  std::string flow;
  std::int64_t executions = 0;
  std::int64_t transitions = 0;
  std::map<std::string, double> dollars;  // by meter: transitions, and what its tasks would take of Glue and Lambda
  double total = 0;
};
struct QueryCost {
  cost::QueryGroup group;
  double dollars = 0;
};
struct CostReport {
  std::string price_date, region;
  std::int64_t first_day = 0, last_day = 0;
  std::vector<CostLine> lines;     // by day, stage, meter; stage "flow" has the transitions of flows
  std::vector<FlowCost> flows;     // the dearest first
  std::vector<QueryCost> queries;  // the dearest first, at most kQueriesShown
  double total = 0;                // of the lines
  std::optional<double> daily_budget, monthly_budget;
};
inline constexpr std::int64_t kQueriesShown = 50;
base::Result<CostReport> cost_report(App& app, std::int64_t first_day, std::int64_t last_day);

// What a command that ended has used. A ledger that cannot be written is told in the program's log and stops nothing.
void record_command_cost(App& app, std::string_view command, std::int64_t micros);

// Measures one query from construction to end(): the bytes that this process reads meanwhile. Beside other work of the
// process that is an upper bound; of a lake in an object store the engine's reads are not seen.
class QueryMeter {
 public:
  QueryMeter(App& app, std::string source);
  void end(std::string_view sql);

 private:
  App& app_;
  std::string source_;
  std::int64_t began_micros_;
  std::int64_t read_before_;
};

// In a server: turns what the metrics counted since the last call into usage, measures the zones' sizes each hour, and
// says how much of the budgets is used. One thread at a time.
class CostRecorder {
 public:
  static base::Result<std::unique_ptr<CostRecorder>> open(App& app, base::Metrics& metrics);
  base::Result<void> record(std::int64_t now_micros);

 private:
  CostRecorder(App& app, base::Metrics& metrics, cost::PriceList prices, std::unique_ptr<cost::Ledger> ledger);
  // How much a counter or a histogram's sum has grown since the last call, by the value of one label.
  std::map<std::string, double> grown(const std::string& metric, const std::string& label, bool counts_observations);
  base::Result<void> add_storage(std::int64_t now_micros, std::vector<cost::Usage>& usage);
  base::Result<void> set_gauges(std::int64_t now_micros);

  App& app_;
  base::Metrics& metrics_;
  cost::PriceList prices_;
  std::unique_ptr<cost::Ledger> ledger_;
  std::map<std::string, double> before_;
  std::int64_t storage_since_micros_ = 0;
  std::int64_t gauges_next_micros_ = 0;
};

}  // namespace shoplake::app
