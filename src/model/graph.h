// The dependency graph of a project: which node needs which. A value, made once from a Manifest.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/manifest.h"

namespace shoplake::model {

class Graph {
 public:
  // Error model.cycle (kind usage) names the circle: a → b → a.
  static Result<Graph> create(const Manifest& manifest);

  const std::set<std::string>& nodes() const { return nodes_; }
  const std::vector<std::string>& parents(const std::string& id) const;
  const std::vector<std::string>& children(const std::string& id) const;
  // Everything upstream (or downstream) within `depth` steps; all of it without a depth. Without the node itself.
  std::set<std::string> ancestors(const std::string& id, std::optional<int> depth = {}) const;
  std::set<std::string> descendants(const std::string& id, std::optional<int> depth = {}) const;
  // Every node after its parents; among equals by name, so that the order is always the same.
  const std::vector<std::string>& order() const { return order_; }

 private:
  std::set<std::string> nodes_;
  std::map<std::string, std::vector<std::string>> parents_;
  std::map<std::string, std::vector<std::string>> children_;
  std::vector<std::string> order_;
};

// What must have run before what, within one selection: the graph's own edges, with nodes between that are not selected
// passed through, and (for `build`) the tests of a node before whatever needs the node, and unit tests before their
// model.
struct Schedule {
  std::vector<std::string> order;                          // every selected node after what it waits for
  std::map<std::string, std::set<std::string>> waits_for;  // direct
};
Schedule make_schedule(const Manifest& manifest, const Graph& graph, const std::set<std::string>& selected,
                       bool tests_gate);

}  // namespace shoplake::model
