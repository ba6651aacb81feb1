// `shoplake quality`: the rules of the lake's tables, evaluated on what is published, and what they said before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "contract/contract.h"
#include "quality/audit.h"
#include "quality/results.h"
#include "quality/rule_set.h"

namespace shoplake::app {

// The engine's share of what the rules ask, where the home sets no memory_limit; beyond it the engine spills. With what
// it does not count the process stays below 1.5 GiB.
inline constexpr std::uint64_t kQualityMemoryBytes = 1ull << 30;

// Where rule sets are: <home>/quality if there is such a folder, else the installation's.
base::Result<std::string> quality_directory(App& app);
// With the expectations of the home's data contracts behind them. What both have is one rule, and it blocks if one of
// them says so.
base::Result<std::vector<quality::RuleSet>> load_rule_sets(App& app);

// The block rules of rule sets, which keep rows from being published by a build or a load. Those that come with
// shoplake are for the project and the contracts that come with it: `is_own` says that no others are used.
base::Result<std::vector<quality::RuleSet>> blocking_rule_sets(App& app, bool is_own);

// What asks them of what a build makes; null if no table has a block rule.
base::Result<std::unique_ptr<quality::Auditor>> make_auditor(App& app, bool is_own);

// The expectations of a contract as rules of its table; `path`: of its file. A load is asked those about single rows of
// the rows that it brings (docs/quality.md).
base::Result<quality::RuleSet> expectations_of(const contract::Contract& contract, const std::string& path);

// Columns that no example may show: fields of any contract that hold personal data, in lower case.
base::Result<std::set<std::string>> personal_columns(App& app);

struct QualityRunOptions {
  std::vector<std::string> tables;  // empty: all that have rules and exist
  bool record = true;               // in quality.results
  std::stop_token stop;
  std::function<void(const quality::TableRun& table)> on_table;
  // Those of the run that failed or could not be evaluated: what a notification is made of.
  std::function<void(const quality::Run& failures)> on_failures;
};

struct QualityReport {
  quality::Run run;
  std::vector<std::string> absent;  // tables with rules that the lake does not have
  std::int64_t micros = 0;

  std::int64_t count(quality::Outcome outcome) const;
  bool blocks() const;  // a block rule is not satisfied
};

// Errors before anything is evaluated: those of the rule sets; quality.no_rules (kind usage): a table has none.
base::Result<QualityReport> run_quality(App& app, const QualityRunOptions& options);

// A rule with the newest result that quality.results has of it.
struct RuleStatus {
  std::string table;
  quality::QualityRule rule;
  std::optional<quality::StoredResult> last;
};
base::Result<std::vector<RuleStatus>> list_rules(App& app, const std::string& table);

inline constexpr std::int64_t kShownResultsMax = 10'000;

// The results of one table, newest first, or of one run. Error quality.no_results (kind not_found): there are none.
base::Result<std::vector<quality::StoredResult>> show_quality(App& app, const std::string& table_or_run);

// Reads rule sets without evaluating them; all of the home's if no file is named. Returns the number of rules.
struct QualityCheck {
  std::string path;
  std::int64_t tables = 0;
  std::int64_t rules = 0;
};
base::Result<std::vector<QualityCheck>> check_rule_sets(App& app, const std::vector<std::string>& paths);

}  // namespace shoplake::app
