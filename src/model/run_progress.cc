#include "model/run_progress.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

// What a node takes beside others, of which nothing is known yet but its kind.
int likely_cost(const Manifest& manifest, const std::string& id) {
  const auto node = manifest.nodes.find(id);
  if (node == manifest.nodes.end())
    return 4;  // a unit test: planned like a model, but without data
  switch (node->second.type) {
    case ResourceType::test: return 1;
    case ResourceType::seed: return 3;
    default: return node->second.materialized() == "view" ? 2 : 10;
  }
}

}  // namespace

bool blocks(NodeStatus status) {
  return status == NodeStatus::error || status == NodeStatus::fail || status == NodeStatus::skipped;
}

RunProgress::RunProgress(const Manifest& manifest, const Graph& graph, const std::set<std::string>& selected,
                         bool tests_gate) {
  Schedule schedule = make_schedule(manifest, graph, selected, tests_gate);
  if (schedule.order.size() != selected.size())
    schedule = make_schedule(manifest, graph, selected, false);
  for (const std::string& id : schedule.order) {
    missing_[id] = unsettled_[id] = schedule.waits_for[id].size();
    for (const std::string& before : schedule.waits_for[id])
      unblocks_[before].push_back(id);
  }
  // Of what is ready, the head of the longest chain is first, so that no chain is left over at the end with the other
  // threads idle. Within a length, graph order.
  std::map<std::string, int> chain;
  for (auto id = schedule.order.rbegin(); id != schedule.order.rend(); ++id) {
    int longest = 0;
    for (const std::string& next : unblocks_[*id])
      longest = std::max(longest, chain[next]);
    chain[*id] = longest + likely_cost(manifest, *id);
  }
  std::vector<std::string> urgency = schedule.order;
  std::stable_sort(urgency.begin(), urgency.end(),
                   [&](const std::string& a, const std::string& b) { return chain[a] > chain[b]; });
  for (std::size_t index = 0; index < urgency.size(); ++index)
    position_[urgency[index]] = index;
  for (const std::string& id : schedule.order) {
    if (missing_[id] == 0)
      ready_.emplace(position_[id], id);
  }
  unfinished_ = schedule.order.size();
}

std::string RunProgress::take_ready() {
  std::string id = ready_.begin()->second;
  ready_.erase(ready_.begin());
  return id;
}

std::vector<std::string> RunProgress::take_ready_if(const std::function<bool(const std::string& id)>& wanted,
                                                    std::size_t most) {
  std::vector<std::string> taken;
  for (auto each = ready_.begin(); each != ready_.end() && taken.size() < most;) {
    const bool joins = !blocked_by_.contains(each->second) && wanted(each->second);
    if (joins)
      taken.push_back(each->second);
    each = joins ? ready_.erase(each) : std::next(each);
  }
  return taken;
}

std::optional<std::string> RunProgress::blocked_by(const std::string& id) const {
  const auto found = blocked_by_.find(id);
  return found == blocked_by_.end() ? std::nullopt : std::optional(found->second);
}

bool RunProgress::is_above_settled(const std::string& id) const { return unsettled_.at(id) == 0; }

std::vector<RunProgress::Computed> RunProgress::computed(Computed node, bool is_published_later) {
  const std::string id = node.result.unique_id;
  const bool blocking = blocks(node.result.status);
  for (const std::string& next : unblocks_[id]) {
    if (blocking)
      blocked_by_.emplace(next, id);
    if (--missing_[next] == 0)
      ready_.emplace(position_[next], next);
  }
  held_.emplace(id, Held{std::move(node), is_published_later});
  if (is_published_later || unsettled_[id] != 0)
    return {};
  return settle(id);
}

std::vector<RunProgress::Computed> RunProgress::settle(const std::string& first) {
  std::vector<Computed> settled;
  std::vector<std::string> next{first};
  while (!next.empty()) {
    const std::string id = next.back();
    next.pop_back();
    Computed node = std::move(held_.at(id).node);
    held_.erase(id);
    if (const auto above = blocked_by_.find(id); above != blocked_by_.end() && !blocks(node.result.status)) {
      // It was computed from something that could not be published.
      node.result.status = NodeStatus::skipped;
      node.result.message = fmt::format("Skipped due to {}", above->second);
    }
    for (const std::string& below : unblocks_[id]) {
      if (blocks(node.result.status))
        blocked_by_.emplace(below, id);
      const auto waiting = held_.find(below);
      if (--unsettled_[below] == 0 && waiting != held_.end() && !waiting->second.with_publisher)
        next.push_back(below);
    }
    settled.push_back(std::move(node));
    --unfinished_;
  }
  return settled;
}

}  // namespace shoplake::model
