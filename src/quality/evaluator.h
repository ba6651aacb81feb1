// Evaluates rules on the rows of one relation by the engine's SQL.
//
// As few passes as possible: all that can be aggregated at once is one statement over the relation; each set of columns
// whose values must be grouped (uniqueness, entropy) is one more, and so is each comparison with another table and each
// CustomSql. The engine bounds the memory and spills. The same rows give the same results, whatever the threads.
//
// A rule that cannot be evaluated (no such column, SQL that fails, a mean of no values) is an `error`, never a pass. A
// rule that compares with earlier runs when there is none yet is `skipped`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/session.h"
#include "io/env.h"
#include "quality/rule_set.h"

namespace shoplake::quality {

inline constexpr int kExamplesMax = 5;
inline constexpr int kExampleTextMax = 100;  // characters of one value

enum class Outcome { pass, fail, error, skipped };
std::string_view name(Outcome outcome);

// "Column.[price].Completeness", as DQDL names it; of filtered rules with " where …" behind it.
struct Metric {
  std::string name;
  double value = 0;
};

struct RuleResult {
  QualityRule rule;
  Outcome outcome = Outcome::error;
  std::vector<Metric> metrics;  // the first is the one that was compared; of all parts of a composite rule
  std::string expected;         // "> 812.5 (avg(last(10)) * 0.8)"
  std::string message;          // of what is no pass: one sentence
  std::optional<std::int64_t> failed_rows;
  std::vector<std::string> examples;  // JSON objects of failing rows, without columns that hold personal data
  std::int64_t micros = 0;
};

// Does not satisfy its rule: a failure, or an error.
bool is_bad(const RuleResult& result);
// Keeps data from being published.
bool is_blocking(const RuleResult& result);

struct EvaluatorOptions {
  io::Env* env = nullptr;
  engine::Session* session = nullptr;
  std::int64_t now_micros = 0;  // what now() is
  // Makes the tables that a statement names visible in the session.
  std::function<Result<void>(std::string_view sql)> prepare;
  // The metric's values in the last runs of the table, newest first, at most `runs`.
  std::function<Result<std::vector<double>>(std::string_view table, std::string_view metric, std::int64_t runs)>
      history;
  std::set<std::string> hidden_columns;  // lower case; never shown in examples
};

struct Subject {
  std::string table;     // "marts.fact_sessions"; a rule's SQL that names it, or `primary`, reads the relation
  std::string relation;  // SQL that may stand after FROM
};

// Whether a number satisfies a condition; two numbers are equal if they differ by less than one part in 10¹².
bool holds(double value, dqdl::Operator op, const std::vector<double>& right);

// One result a rule, in their order. Error: engine.interrupted only; all else is a rule's own outcome.
Result<std::vector<RuleResult>> evaluate(const EvaluatorOptions& options, const Subject& subject,
                                         std::span<const QualityRule> rules);

}  // namespace shoplake::quality
