#include "quality/audit.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "model/lake.h"
#include "model/repeatable.h"

namespace shoplake::quality {
namespace {

constexpr std::size_t kRulesNamed = 3;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// A filter is SQL: it may ask the clock, or another table by a query in it.
bool is_about_own_rows(const dqdl::Rule& rule) {
  const std::string where = lower(rule.where);
  return dqdl::asks_own_rows_only(rule) && std::all_of(rule.parts.begin(), rule.parts.end(), is_about_own_rows) &&
         (where.empty() || (model::is_repeatable(where) && where.find("select") == std::string::npos &&
                            where.find("from") == std::string::npos));
}

base::Error blocked(const std::string& table, const std::vector<const RuleResult*>& results) {
  std::string reasons;
  for (std::size_t at = 0; at < std::min(results.size(), kRulesNamed); ++at) {
    const RuleResult& result = *results[at];
    reasons += fmt::format("{}rule {} ({}){}: {}", at > 0 ? "; " : "", result.rule.name, result.rule.place,
                           result.rule.asks_new_rows ? " of the rows that were to come" : "", result.message);
  }
  if (results.size() > kRulesNamed)
    reasons += fmt::format("; and {} more", results.size() - kRulesNamed);
  return base::make_error(
      base::ErrorKind::failed, std::string(kBlocked), fmt::format("{} is not published: {}", table, reasons),
      fmt::format("Correct the data or the rule; `shoplake quality show {}` has the results with examples.", table));
}

}  // namespace

std::vector<RuleSet> blocking(std::vector<RuleSet> sets) {
  for (RuleSet& set : sets)
    std::erase_if(set.rules, [](const QualityRule& rule) { return rule.severity != Severity::block; });
  std::erase_if(sets, [](const RuleSet& set) { return set.rules.empty(); });
  return sets;
}

Auditor::Auditor(AuditOptions options) : options_(std::move(options)) {
  options_.sets = blocking(std::move(options_.sets));
  run_.triggered_by = options_.triggered_by;
}

const RuleSet* Auditor::find(const std::string& table) const {
  const std::string wanted = lower(table);
  const auto found = std::find_if(options_.sets.begin(), options_.sets.end(),
                                  [&](const RuleSet& set) { return lower(set.table) == wanted; });
  return found == options_.sets.end() ? nullptr : &*found;
}

Auditor::Rules Auditor::rules(const model::RelationName& table) const {
  Rules rules;
  if (const RuleSet* set = find(table.schema + "." + table.identifier)) {
    for (const QualityRule& rule : set->rules) {
      rules.text += rule.name + "\n" + rule.text + "\n";
      rules.asks_own_rows_only = rules.asks_own_rows_only && is_about_own_rows(rule.rule);
    }
  }
  return rules;
}

bool Auditor::concerns(const std::string& table) const { return find(table) != nullptr; }

// Those about the table first.
Result<std::vector<RuleResult>> Auditor::ask(const RuleSet& set, const EvaluatorOptions& options,
                                             const Subject& subject, const std::string& new_rows) const {
  std::vector<QualityRule> of_table, of_new_rows;
  for (const QualityRule& rule : set.rules)
    (rule.asks_new_rows ? of_new_rows : of_table).push_back(rule);
  if (new_rows.empty())
    of_new_rows.clear();
  std::vector<RuleResult> results;
  if (!of_table.empty())
    results = SHOPLAKE_TRY(evaluate(options, subject, of_table));
  if (!of_new_rows.empty()) {
    for (RuleResult& result : SHOPLAKE_TRY(evaluate(options, {subject.table, new_rows}, of_new_rows)))
      results.push_back(std::move(result));
  }
  return results;
}

Result<void> Auditor::check(engine::Session& session, const Subject& subject, const std::string& new_rows,
                            const std::function<Result<void>(std::string_view sql)>& prepare) {
  const RuleSet* set = find(subject.table);
  if (set == nullptr)
    return {};
  ResultsTable results(*options_.env, *options_.catalog);
  EvaluatorOptions options;
  options.env = options_.env;
  options.session = &session;
  options.now_micros = options_.env->now_micros();
  options.prepare = prepare;
  options.history = [&](std::string_view table, std::string_view metric, std::int64_t runs) {
    return results.history(session, table, metric, runs);
  };
  options.hidden_columns = options_.hidden_columns;
  TableRun table;
  table.table = set->table;
  table.results = SHOPLAKE_TRY(ask(*set, options, subject, new_rows));
  std::vector<const RuleResult*> bad;
  for (const RuleResult& result : table.results) {
    if (is_blocking(result))
      bad.push_back(&result);
  }
  table.is_published = bad.empty();
  Result<void> outcome = bad.empty() ? Result<void>() : Result<void>(blocked(set->table, bad));
  const std::lock_guard lock(mutex_);
  // Of a table that is audited again after a conflict, the last audit counts.
  std::erase_if(run_.tables, [&](const TableRun& other) { return other.table == table.table; });
  run_.tables.push_back(std::move(table));
  return outcome;
}

Result<void> Auditor::check(engine::Session& session, model::Lake& lake, const model::RelationName& table,
                            const std::string& rows) {
  return check(session, {table.schema + "." + table.identifier, rows}, "",
               [&](std::string_view sql) { return lake.prepare(session, sql); });
}

void Auditor::not_published(const std::string& table) {
  const std::lock_guard lock(mutex_);
  for (TableRun& run : run_.tables) {
    if (lower(run.table) == lower(table))
      run.is_published = false;
  }
}

Run Auditor::take_run() {
  const std::lock_guard lock(mutex_);
  Run run = std::exchange(run_, {});
  run_.triggered_by = options_.triggered_by;
  run.id = options_.env->new_uuid();
  run.at_micros = options_.env->now_micros();
  std::sort(run.tables.begin(), run.tables.end(), [](const auto& a, const auto& b) { return a.table < b.table; });
  return run;
}

}  // namespace shoplake::quality
