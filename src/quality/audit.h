// The block rules of tables, asked before rows are published: write, audit, publish.
//
// Only rules of severity block are evaluated: what cannot keep the rows out can wait for `shoplake quality run`. A rule
// that cannot be evaluated keeps them out too.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "model/audit.h"
#include "quality/results.h"
#include "quality/rule_set.h"

namespace shoplake::quality {

inline constexpr std::string_view kBlocked = "quality.blocked";

// The block rules of every table that has any.
std::vector<RuleSet> blocking(std::vector<RuleSet> sets);

struct AuditOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  std::vector<RuleSet> sets;
  std::set<std::string> hidden_columns;  // lower case
  std::string triggered_by;              // "build", "load"
};

// Thread safe.
class Auditor final : public model::Audit {
 public:
  explicit Auditor(AuditOptions options);

  bool concerns(const std::string& table) const;  // "marts.x"

  // Error quality.blocked (kind failed): a rule is not satisfied; it names the rule and its value. `subject`: the rows
  // of the table as they would be. `new_rows`: SQL that may stand after FROM, of those of them that come by this load;
  // empty: none, and rules that ask new rows have nothing to ask. `prepare` as in EvaluatorOptions.
  Result<void> check(engine::Session& session, const Subject& subject, const std::string& new_rows,
                     const std::function<Result<void>(std::string_view sql)>& prepare);
  Result<void> check(engine::Session& session, model::Lake& lake, const model::RelationName& table,
                     const std::string& rows) override;
  Rules rules(const model::RelationName& table) const override;

  // Rows that were audited were not published after all.
  void not_published(const std::string& table);
  // What was found since the last call, to be kept in quality.results.
  Run take_run();

 private:
  const RuleSet* find(const std::string& table) const;
  Result<std::vector<RuleResult>> ask(const RuleSet& set, const EvaluatorOptions& options, const Subject& subject,
                                      const std::string& new_rows) const;

  AuditOptions options_;
  std::mutex mutex_;
  Run run_;
};

}  // namespace shoplake::quality
