// dbt's node selection: which nodes of a project a command is about.
//
//   name  pkg.folder.*  path:models/x  folder/x.sql  tag:nightly  source:raw  source:raw.events  exposure:x  package:p
//   config.materialized:table  resource_type:test  test_type:unit  test_name:unique  file:x.sql  fqn:…  unit_test:…
//   +x  x+  2+x+1  @x      graph operators            a b: union      a,b: intersection
//
// Source: https://docs.getdbt.com/reference/node-selection/syntax
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/graph.h"
#include "model/manifest.h"

namespace shoplake::model {

// Which tests a selection of what they test brings with it.
enum class IndirectSelection {
  eager,      // a test that touches any selected node
  cautious,   // a test that touches only selected nodes
  buildable,  // a test that touches only selected nodes and their ancestors
  empty,      // none
};

struct Selection {
  std::vector<std::string> select;  // each may hold several, separated by space; empty: everything
  std::vector<std::string> exclude;
  IndirectSelection indirect = IndirectSelection::eager;
};

// Unique ids, of any resource type. A criterion that matches nothing adds a line to `warnings`.
// Error model.selector (kind usage): a method that does not exist or is not supported.
Result<std::set<std::string>> select_nodes(const Manifest& manifest, const Graph& graph, const Selection& selection,
                                           std::vector<std::string>* warnings);

}  // namespace shoplake::model
