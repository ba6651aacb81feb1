// The inside of evaluate(): one pass of rules over one relation. Each single rule, alone or as a part of a composite
// one, is a Leaf; it is planned, measured, judged and, where it fails, shown by examples. The steps have a file each:
// evaluation_plan.cc, evaluation_measure.cc, evaluation_compare.cc, evaluation_examples.cc; evaluator.cc goes through
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dqdl/rule.h"
#include "engine/session.h"
#include "quality/evaluator.h"

namespace shoplake::quality {

using base::Error;
using dqdl::Rule;
using dqdl::RuleType;

std::string lower(std::string_view text);
Error failed(const char* code, std::string message, std::string advice = {});  // of kind failed
std::string number_text(double value);                                         // 812.5
std::string count_text(double value);                                          // 1,234
std::optional<double> to_number(const engine::Value& value);                   // none for NULL, NaN and infinities

// One single rule, alone or as a part of a composite one, from its plan to its outcome.
struct Leaf {
  const Rule* rule = nullptr;
  std::vector<std::size_t> aggregates;  // places in the common statement
  std::string group;                    // key of the grouping it needs; empty: none
  std::string good;                     // condition of good rows, if it is about rows
  std::vector<engine::Column> columns;

  Outcome outcome = Outcome::error;
  std::vector<Metric> metrics;
  std::string expected;
  std::string message;
  std::optional<std::int64_t> failed_rows;
  std::vector<std::string> examples;
  std::int64_t micros = 0;
  std::string no_history;   // why it cannot be judged yet, though it was measured
  bool is_settled = false;  // by the plan: it failed, or there is nothing to measure
};

// Values of columns, grouped: each distinct combination that is not all NULL.
struct Grouping {
  std::string sql;
  bool is_done = false;
  std::optional<Error> error;
  double distinct = 0;
  double unique = 0;  // that occur once
  double rows = 0;
  double entropy = 0;
};

class Evaluation {
 public:
  Evaluation(const EvaluatorOptions& options, const Subject& subject) : options_(options), subject_(subject) {}

  Result<std::vector<RuleResult>> run(std::span<const QualityRule> rules);

 private:
  void collect(const Rule& rule, std::vector<std::size_t>& indexes);
  static void settle(Leaf& leaf, const Error& error);
  static Result<void> not_interrupted(const Result<void>& result);
  // An error of a step is the outcome of its rule, unless the whole run is to end.
  Result<void> guarded(Leaf& leaf, const std::function<Result<void>()>& step);
  Result<engine::ResultSet> query(const std::string& sql) { return options_.session->query(sql); }

  // Plan.
  Result<void> describe();
  Result<engine::Column> column(const std::string& given);
  std::size_t aggregate(Leaf& leaf, const std::string& sql);
  void count_good(Leaf& leaf, std::string good);
  Result<std::vector<double>> history(const std::string& metric, std::int64_t runs);
  Result<void> plan(Leaf& leaf);
  Result<void> check_where(const Rule& rule);
  Result<void> plan_number(Leaf& leaf, const std::string& sql);
  Result<void> plan_values(Leaf& leaf);
  Result<void> plan_length(Leaf& leaf);
  std::string column_list(const Leaf& leaf) const;
  std::string grouped_rows(const Leaf& leaf) const;
  void plan_grouping(Leaf& leaf);

  // Measure.
  Result<void> scan();
  Result<void> read_aggregates(const std::vector<std::size_t>& indexes);
  std::optional<double> value(const Leaf& leaf, std::size_t at) const { return values_[leaf.aggregates[at]]; }
  Result<Grouping*> grouping(const Leaf& leaf);
  Result<void> measure(Leaf& leaf);
  Result<void> measure_exists(Leaf& leaf);
  Result<void> measure_rows(Leaf& leaf, std::string_view what_bad_rows_do);
  void note(Leaf& leaf, std::string_view what, std::optional<double> number);
  Result<void> measure_values(Leaf& leaf);
  Result<void> measure_length(Leaf& leaf);
  Result<void> measure_freshness(Leaf& leaf);
  Result<void> measure_primary_key(Leaf& leaf);
  Result<void> measure_grouping(Leaf& leaf);
  Result<void> judge(Leaf& leaf, std::optional<double> number, const std::string& detail);

  // Compare with other tables, and what CustomSql says.
  Result<std::string> relation_of(const std::string& table);
  Result<std::string> references(const Leaf& leaf);
  Result<void> measure_references(Leaf& leaf);
  Result<void> judge_ratio(Leaf& leaf, const engine::ResultSet& answer);
  Result<void> measure_row_count_match(Leaf& leaf);
  Result<void> measure_aggregate_match(Leaf& leaf);
  Result<engine::ResultSet> run_custom(const Leaf& leaf, std::string_view what);
  Result<void> measure_custom_number(Leaf& leaf);
  Result<void> measure_custom_rows(Leaf& leaf);

  // Show.
  void show(std::vector<std::string>& list, const std::string& name, const std::string& sql) const;
  bool is_hidden(const Leaf& leaf) const;
  Result<void> find_examples(Leaf& leaf);

  // Put together.
  Outcome combine(const Rule& rule, const std::vector<std::size_t>& indexes, std::size_t& at) const;
  RuleResult result_of(const QualityRule& rule, const std::vector<std::size_t>& indexes);

  const EvaluatorOptions& options_;
  const Subject& subject_;
  std::map<std::string, engine::Column> columns_;  // by name in lower case
  std::vector<std::string> names_;
  std::vector<Leaf> leaves_;
  std::vector<std::string> aggregates_;
  std::map<std::string, std::size_t> aggregate_index_;
  std::vector<std::optional<double>> values_;
  std::map<std::string, Grouping> groupings_;
};

}  // namespace shoplake::quality
