// Reuse: which nodes of a run need not be done again, because everything that their result depends on is as it was when
// they were done. That is their code (compiled SQL, configuration, block rules of their table, shoplake and the engine)
// and what they read, each relation by its exact version: the metadata file of a table, the SQL of a view. A node's own
// table is among what it reads, so what somebody else has changed there is done anew, too.
//
// Kept in the control plane, table model_reuse: one row a node, the fingerprint of the work that was last found to be
// complete. It is written after everything was published; a crash before it costs nothing but doing the work again, and
// a row never claims more than what its fingerprint says, whoever writes last.
//
// Thread safe. Errors: those of io/sqlite.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "catalog/catalog.h"
#include "model/audit.h"
#include "model/lake.h"
#include "model/manifest.h"

namespace shoplake::model {

// What one node does.
struct Work {
  std::string unique_id;
  std::string code;    // what is done: any text that differs when it differs
  ReadVersions reads;  // what it is done with
};

// The work of a model, seed, snapshot or data test at this moment; `sql` is its compiled query (of a seed: the digest
// of its file) and `rules` what its rows are audited by. None if doing it again may give something else, or does more
// than making its table: clocks and chance, files and catalogs that the query reads, hooks, rules that ask other tables
// or runs, and everything after a statement that may have left something in the engine.
std::optional<Work> work_of(Lake& lake, const Node& node, const std::string& sql, const Audit::Rules& rules);
// Whether two moments of the same work differ in nothing but the node's own table.
bool reads_the_same(const Node& node, Work one, Work other);
// Whether the node's own table is the same in both.
bool leaves_table(const Node& node, const Work& one, const Work& other);
// meta.settles of an incremental model: that a run which finds its inputs as the run before has left them would change
// nothing, as with bookmarks that are kept in the model's own table.
bool settles(const Node& node);

class Reuse {
 public:
  // `program`: what else the results depend on, the same for all nodes.
  static Result<std::unique_ptr<Reuse>> open(catalog::Catalog& catalog, std::string program);

  // Whether exactly this was found complete before.
  bool is_complete(const Work& work) const;
  // That this was done, or would change nothing. Counts from save() on.
  void complete(Work work);
  // Keeps what was completed, of the nodes `succeeded`; what they read of this run's own writes counts as published.
  Result<void> save(Lake& lake, const std::set<std::string>& succeeded, std::int64_t now_us);

 private:
  Reuse(catalog::Catalog& catalog, std::string program) : catalog_(catalog), program_(std::move(program)) {}
  std::string fingerprint(const Work& work) const;

  catalog::Catalog& catalog_;
  std::string program_;
  std::map<std::string, std::string> fingerprints_;  // as they were found
  std::mutex mutex_;
  std::map<std::string, Work> completed_;
};

}  // namespace shoplake::model
