#include "model/graph.h"

#include <algorithm>
#include <deque>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

const std::vector<std::string> kNone;

std::set<std::string> reach(const std::map<std::string, std::vector<std::string>>& edges, const std::string& from,
                            std::optional<int> depth) {
  std::set<std::string> seen;
  std::vector<std::string> frontier{from};
  for (int step = 0; !frontier.empty() && (!depth || step < *depth); ++step) {
    std::vector<std::string> next;
    for (const std::string& id : frontier) {
      const auto found = edges.find(id);
      if (found == edges.end())
        continue;
      for (const std::string& other : found->second) {
        if (seen.insert(other).second)
          next.push_back(other);
      }
    }
    frontier = std::move(next);
  }
  seen.erase(from);
  return seen;
}

// One circle among nodes that a topological sort could not place.
std::string describe_cycle(const std::map<std::string, std::vector<std::string>>& parents,
                           const std::set<std::string>& left) {
  std::vector<std::string> path;
  std::string at = *left.begin();
  while (std::find(path.begin(), path.end(), at) == path.end()) {
    path.push_back(at);
    for (const std::string& parent : parents.at(at)) {
      if (left.contains(parent)) {
        at = parent;
        break;
      }
    }
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  std::string text = at;
  for (auto step = path.rbegin(); step != path.rend(); ++step)
    text += " → " + *step;
  return text;
}

}  // namespace

Result<Graph> Graph::create(const Manifest& manifest) {
  Graph graph;
  for (const auto& [id, node] : manifest.nodes) {
    if (node.type != ResourceType::operation)
      graph.nodes_.insert(id);
  }
  for (const auto& [id, source] : manifest.sources)
    graph.nodes_.insert(id);
  for (const auto& [id, test] : manifest.unit_tests)
    graph.nodes_.insert(id);
  for (const auto& [id, exposure] : manifest.exposures)
    graph.nodes_.insert(id);
  for (const std::string& id : graph.nodes_) {
    graph.parents_[id];
    const std::vector<std::string>* dependencies = manifest.depends_on(id);
    if (dependencies == nullptr)
      continue;
    for (const std::string& parent : *dependencies) {
      if (!graph.nodes_.contains(parent))
        continue;
      graph.parents_[id].push_back(parent);
      graph.children_[parent].push_back(id);
    }
  }

  std::map<std::string, std::size_t> missing;
  std::set<std::string> ready;
  for (const std::string& id : graph.nodes_) {
    missing[id] = graph.parents_[id].size();
    if (missing[id] == 0)
      ready.insert(id);
  }
  while (!ready.empty()) {
    const std::string id = *ready.begin();
    ready.erase(ready.begin());
    graph.order_.push_back(id);
    for (const std::string& child : graph.children(id)) {
      if (--missing[child] == 0)
        ready.insert(child);
    }
  }
  if (graph.order_.size() != graph.nodes_.size()) {
    std::set<std::string> left;
    for (const auto& [id, count] : missing) {
      if (count > 0)
        left.insert(id);
    }
    return base::make_error(base::ErrorKind::usage, "model.cycle",
                            fmt::format("the project has a circle: {}", describe_cycle(graph.parents_, left)),
                            "Remove one of these ref() calls.");
  }
  return graph;
}

const std::vector<std::string>& Graph::parents(const std::string& id) const {
  const auto found = parents_.find(id);
  return found == parents_.end() ? kNone : found->second;
}

const std::vector<std::string>& Graph::children(const std::string& id) const {
  const auto found = children_.find(id);
  return found == children_.end() ? kNone : found->second;
}

std::set<std::string> Graph::ancestors(const std::string& id, std::optional<int> depth) const {
  return reach(parents_, id, depth);
}
std::set<std::string> Graph::descendants(const std::string& id, std::optional<int> depth) const {
  return reach(children_, id, depth);
}

Schedule make_schedule(const Manifest& manifest, const Graph& graph, const std::set<std::string>& selected,
                       bool tests_gate) {
  const auto is_test = [&](const std::string& id) { return id.starts_with("test.") || id.starts_with("unit_test."); };
  std::map<std::string, std::set<std::string>> ancestors;  // of every node, through the whole graph
  for (const std::string& id : graph.order()) {
    std::set<std::string>& mine = ancestors[id];
    for (const std::string& parent : graph.parents(id)) {
      mine.insert(parent);
      mine.insert(ancestors[parent].begin(), ancestors[parent].end());
    }
  }

  Schedule schedule;
  for (const std::string& id : selected) {
    std::set<std::string>& waits = schedule.waits_for[id];
    std::vector<std::string> stack = graph.parents(id);
    std::set<std::string> seen;
    const bool is_unit_test = id.starts_with("unit_test.");
    while (!stack.empty()) {
      const std::string parent = stack.back();
      stack.pop_back();
      if (!seen.insert(parent).second)
        continue;
      // A unit test needs the relations that its model reads, for their columns, and comes before the model itself.
      const bool is_own_model = is_unit_test && manifest.unit_tests.at(id).model_id == parent;
      if (selected.contains(parent) && !is_own_model) {
        waits.insert(parent);
      } else {
        for (const std::string& next : graph.parents(parent))
          stack.push_back(next);
      }
    }
  }
  if (tests_gate) {
    for (const std::string& test : selected) {
      if (!is_test(test))
        continue;
      if (test.starts_with("unit_test.")) {
        const std::string& model = manifest.unit_tests.at(test).model_id;
        if (selected.contains(model))
          schedule.waits_for[model].insert(test);
        continue;
      }
      const std::vector<std::string>& tested = graph.parents(test);
      std::set<std::string> candidates;
      for (const std::string& parent : tested) {
        for (const std::string& child : graph.children(parent)) {
          if (!is_test(child))
            candidates.insert(child);
        }
      }
      // A candidate that is not selected hands the wait on to what it feeds.
      std::vector<std::string> stack(candidates.begin(), candidates.end());
      std::set<std::string> seen;
      while (!stack.empty()) {
        const std::string child = stack.back();
        stack.pop_back();
        if (!seen.insert(child).second || is_test(child))
          continue;
        if (selected.contains(child)) {
          const std::set<std::string>& above = ancestors[child];
          if (std::all_of(tested.begin(), tested.end(),
                          [&](const std::string& parent) { return above.contains(parent); }))
            schedule.waits_for[child].insert(test);
        } else {
          for (const std::string& next : graph.children(child))
            stack.push_back(next);
        }
      }
    }
    // Unit tests run before the model and after its tested parents only by way of those parents: nothing more to add.
  }

  std::map<std::string, std::size_t> position;
  for (std::size_t index = 0; index < graph.order().size(); ++index)
    position[graph.order()[index]] = index;
  std::map<std::string, std::size_t> missing;
  std::map<std::string, std::vector<std::string>> unblocks;
  std::set<std::pair<std::size_t, std::string>> ready;
  for (const std::string& id : selected) {
    missing[id] = schedule.waits_for[id].size();
    for (const std::string& before : schedule.waits_for[id])
      unblocks[before].push_back(id);
    if (missing[id] == 0)
      ready.emplace(position[id], id);
  }
  while (!ready.empty()) {
    const std::string id = ready.begin()->second;
    ready.erase(ready.begin());
    schedule.order.push_back(id);
    for (const std::string& next : unblocks[id]) {
      if (--missing[next] == 0)
        ready.emplace(position[next], next);
    }
  }
  return schedule;
}

}  // namespace shoplake::model
