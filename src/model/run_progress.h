// RunProgress: which nodes of a run may begin, which are computed, and which are settled: published and to be reported.
// A node may begin when everything that it waits for is computed; it is settled when it is published and everything
// above it is settled. So computing runs ahead of publishing, and nothing is called done before what it was made from.
//
// A value without threads or files; whoever drives it holds a lock.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/artifacts.h"
#include "model/graph.h"
#include "model/manifest.h"

namespace shoplake::model {

// What needs a node of that status is skipped.
bool blocks(NodeStatus status);

class RunProgress {
 public:
  RunProgress(const Manifest& manifest, const Graph& graph, const std::set<std::string>& selected, bool tests_gate);

  std::size_t unfinished() const { return unfinished_; }  // not settled
  bool has_ready() const { return !ready_.empty(); }
  // The most urgent of the ready ones.
  std::string take_ready();
  // Up to `most` others that are ready, not blocked, and `wanted`.
  std::vector<std::string> take_ready_if(const std::function<bool(const std::string& id)>& wanted, std::size_t most);
  // The first node above it that failed or was skipped.
  std::optional<std::string> blocked_by(const std::string& id) const;
  // Whether everything above it is settled.
  bool is_above_settled(const std::string& id) const;

  // A computed node with its number in the reports.
  struct Computed {
    int index = 0;
    NodeResult result;
  };
  // A node has been computed; what waits for it may begin. `is_published_later`: it is settled by settle(). Else it is
  // when everything above it is. Returns what became settled, in order.
  std::vector<Computed> computed(Computed node, bool is_published_later);
  // The result of a node that is computed and not settled.
  NodeResult& result(const std::string& id) { return held_.at(id).node.result; }
  // A node has been published, or could not be. Everything above it is settled. Returns it and what waited only for it;
  // of what was computed from something that could not be published, the result says skipped.
  std::vector<Computed> settle(const std::string& id);

 private:
  struct Held {
    Computed node;
    bool with_publisher = false;
  };

  std::map<std::string, std::size_t> position_;  // by urgency
  std::map<std::string, std::size_t> missing_;   // how many it still waits for
  std::map<std::string, std::vector<std::string>> unblocks_;
  std::map<std::string, std::string> blocked_by_;  // first failed node above
  std::map<std::string, std::size_t> unsettled_;   // how many above it are not reported yet
  std::map<std::string, Held> held_;               // computed, not settled
  std::set<std::pair<std::size_t, std::string>> ready_;
  std::size_t unfinished_ = 0;
};

}  // namespace shoplake::model
