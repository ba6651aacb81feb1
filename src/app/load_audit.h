// The block rules of a dataset's table, asked before a load is committed: those of rule sets, of the table's rows as
// they would be, and the expectations of its contract, of these rows or, where they ask each row by itself, of those
// that the load brings. Belongs to one thread.
//
// What the statistics of the load's data files answer needs no engine (quality/file_proof.h); the engine is opened for
// the first load that leaves something to ask.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "app/app.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"
#include "engine/session.h"
#include "quality/audit.h"

namespace shoplake::app {

class LoadAudit {
 public:
  // Null if the table has no block rules.
  static base::Result<std::unique_ptr<LoadAudit>> open(App& app, const contract::Contract& contract,
                                                       const catalog::TableIdentifier& table);

  // `change` is what the load is about to commit to the table; rows that came from `replaced_object` (empty: none) go
  // with it. Gives what to commit together with it: the results, for quality.results. No value: no rule was asked, or
  // there are no rows.
  // Error quality.blocked (kind failed): nothing must be committed; its results are kept already.
  base::Result<std::optional<catalog::TableChange>> check(const catalog::TableChange& change,
                                                          const std::string& replaced_object);
  // What check() gave was committed, or (`false`) was not.
  void done(const catalog::TableChange& results, bool is_committed);

 private:
  LoadAudit(App& app, catalog::Catalog& catalog, catalog::TableIdentifier table)
      : app_(app), catalog_(catalog), table_(std::move(table)) {}
  base::Result<quality::RuleSet> rules_left(const catalog::TableChange& change, const catalog::Table& table) const;
  base::Result<engine::Session*> session();

  App& app_;
  catalog::Catalog& catalog_;
  catalog::TableIdentifier table_;
  quality::RuleSet rules_;         // of rule sets
  quality::RuleSet expectations_;  // of the contract
  std::set<std::string> hidden_columns_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
};

}  // namespace shoplake::app
