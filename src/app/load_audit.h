// The block rules of a dataset's table, asked before a load is committed: on the table's rows as they would be, the
// staged ones among them. Belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/app.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "quality/audit.h"

namespace shoplake::app {

class LoadAudit {
 public:
  // Null if the table has no block rules.
  static base::Result<std::unique_ptr<LoadAudit>> open(App& app, const catalog::TableIdentifier& table);

  // `change` is what the load is about to commit to the table; rows that came from `replaced_object` (empty: none) go
  // with it. Gives what to commit together with it: the results, for quality.results. No value: there are no rows.
  // Error quality.blocked (kind failed): nothing must be committed; its results are kept already.
  base::Result<std::optional<catalog::TableChange>> check(const catalog::TableChange& change,
                                                          const std::string& replaced_object);
  // What check() gave was committed, or (`false`) was not.
  void done(const catalog::TableChange& results, bool is_committed);

 private:
  base::Result<engine::Session*> session();
  LoadAudit(App& app, catalog::Catalog& catalog, catalog::TableIdentifier table)
      : app_(app), catalog_(catalog), table_(std::move(table)) {}

  App& app_;
  catalog::Catalog& catalog_;
  catalog::TableIdentifier table_;
  std::unique_ptr<quality::Auditor> auditor_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
};

}  // namespace shoplake::app
