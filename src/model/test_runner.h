// TestRunner: runs data tests, alone or many of one relation in one scan of it, and unit tests. Internal to runner.cc.
// Thread rule: many threads, each with its own session.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/session.h"
#include "model/lake.h"
#include "model/run_context.h"

namespace shoplake::model {

class TestRunner {
 public:
  explicit TestRunner(const RunContext& context);

  // Errors are those of the test itself; that it failed or warns is in the result.
  Result<void> run(engine::Session& session, Node& node, NodeResult& result) const;
  Result<void> run_unit(engine::Session& session, const UnitTest& test, NodeResult& result) const;

  // Whether a test can share one scan of its relation.
  bool can_share(const Node& node) const { return countable(node) && tested_relation(node); }
  // Counts what several tests of one relation look for in one scan; those that found nothing have passed. The others,
  // and all of them if the scan itself failed, are run one by one, by `run_alone`. `ids` and `group` go together.
  void run_together(engine::Session& session, const std::vector<std::string>& ids, std::vector<NodeResult>& group,
                    const std::function<void(std::size_t index)>& run_alone) const;

 private:
  Result<void> compile(engine::Session& session, Node& node, NodeResult& result) const;
  // Only what has passed is kept of tests.
  bool keep_passed(const std::optional<Work>& work, NodeResult& result) const;
  // What it counts in a shared scan.
  std::optional<std::string> countable(const Node& node) const;
  std::optional<RelationName> tested_relation(const Node& test) const;

  const RunContext& context_;
  std::set<std::string> builtin_tests_;
};

}  // namespace shoplake::model
