// TableRunner: runs the nodes that become relations: models, seeds and snapshots. What it makes is written and audited
// here and published by the run's publisher; incremental models and snapshots commit by themselves. Internal to
// runner.cc. Thread rule: many threads, each with its own session.
#pragma once

#include <optional>
#include <string>

#include "engine/session.h"
#include "model/compiler.h"
#include "model/lake.h"
#include "model/run_context.h"

namespace shoplake::model {

class TableRunner {
 public:
  explicit TableRunner(const RunContext& context) : context_(context) {}

  // Errors are the node's; what is known of it by then is in the result.
  Result<void> run_model(engine::Session& session, Node& node, NodeResult& result) const;
  Result<void> run_seed(engine::Session& session, Node& node, NodeResult& result) const;
  // Brings what has changed since the last run into the table of versions. A conflict means that somebody else has
  // committed to it meanwhile: then everything is done again on the new state.
  Result<void> run_snapshot(engine::Session& session, Node& node, NodeResult& result) const;

 private:
  // `key`: "pre-hook" or "post-hook".
  Result<void> run_hooks(engine::Session& session, Compiler& compiler, const Node& node, const char* key,
                         const Compiler::Options& compile_options) const;
  Result<UnpublishedTable> write_audited(engine::Session& session, const TableWrite& write) const;
  Result<IncrementalWrite> incremental_write(const Node& node, const std::string& sql) const;
  // An incremental model is looked at as a run of now would see it.
  Result<bool> keep_incremental(Compiler& compiler, Node& node, NodeResult& result) const;
  // After an incremental model has run: what the next run would do is known if this one had nothing to do, or if the
  // model says that it settles.
  void complete_incremental(Compiler& compiler, const Node& node, const std::optional<Work>& before,
                            const std::string& sql, bool is_incremental) const;

  const RunContext& context_;
};

}  // namespace shoplake::model
