#include "flow/branch_tree.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::flow {

const State& state_of(const Branch& branch) { return branch.machine->states.find(branch.state)->second; }

base::Error misfit(std::int64_t branch, const std::string& execution) {
  return base::make_error(base::ErrorKind::internal, "flow.bad_stored_execution",
                          fmt::format("branch {} of execution {} does not fit its machine", branch, execution));
}

base::Result<void> BranchTree::restore(const StateMachine& machine, const std::vector<StoredBranch>& stored,
                                       const std::string& execution) {
  for (const StoredBranch& each : stored) {
    branches_.emplace(each.id, SHOPLAKE_TRY(restored(each.id, each.document)));
    next_branch_ = std::max(next_branch_, each.id + 1);
  }
  if (!branches_.contains(kRootBranch))
    return misfit(kRootBranch, execution);
  // Parents have smaller ids than their children.
  for (auto& [id, branch] : branches_) {
    if (branch.parent == kNoParent) {
      branch.machine = &machine;
    } else {
      const auto parent = branches_.find(branch.parent);
      if (parent == branches_.end() || parent->second.machine == nullptr)
        return misfit(id, execution);
      const State& of = state_of(parent->second);
      const std::size_t place = of.type == StateType::map ? 0 : branch.index;
      if (place >= of.branches.size())
        return misfit(id, execution);
      branch.machine = of.branches[place].get();
      auto& siblings = parent->second.children;
      siblings.resize(std::max(siblings.size(), branch.index + 1), -1);
      siblings[branch.index] = id;
      parent->second.children_done += branch.phase == Branch::Phase::done ? 1 : 0;
    }
    if (!branch.machine->states.contains(branch.state))
      return misfit(id, execution);
  }
  return {};
}

void BranchTree::resume(const Branch& branch) {
  switch (branch.phase) {
    case Branch::Phase::ready: ready_.push_back(branch.id); break;
    case Branch::Phase::waiting:
    case Branch::Phase::retrying: alarms_.emplace(branch.wake_micros, branch.id, AlarmKind::wake); break;
    case Branch::Phase::task:
      if (branch.timeout_at_micros)
        alarms_.emplace(*branch.timeout_at_micros, branch.id, AlarmKind::timeout);
      break;
    case Branch::Phase::children:
    case Branch::Phase::done: break;
  }
}

Branch* BranchTree::find(std::int64_t id) {
  const auto found = branches_.find(id);
  return found == branches_.end() ? nullptr : &found->second;
}

Branch& BranchTree::add(std::int64_t parent, std::size_t index, const StateMachine* machine,
                        std::shared_ptr<const Json> input, std::int64_t previous_event) {
  Branch& branch = branches_[next_branch_];
  branch.id = next_branch_++;
  branch.parent = parent;
  branch.index = index;
  branch.machine = machine;
  branch.input = std::move(input);
  branch.previous_event = previous_event;
  go_to(branch, machine->start_at);
  return branch;
}

void BranchTree::go_to(Branch& branch, const std::string& state) {
  branch.state = state;
  branch.retries.clear();
  branch.retry_count = 0;
  set_phase(branch, Branch::Phase::ready);
  ready_.push_back(branch.id);
}

void BranchTree::set_phase(Branch& branch, Branch::Phase phase) {
  forget_alarms(branch);
  branch.phase = phase;
  branch.timeout_at_micros.reset();
  branch.heartbeat_at_micros.reset();
  changed_.insert(branch.id);
}

void BranchTree::wake_at(Branch& branch, Branch::Phase phase, std::int64_t micros) {
  set_phase(branch, phase);
  branch.wake_micros = micros;
  alarms_.emplace(micros, branch.id, AlarmKind::wake);
}

void BranchTree::forget_alarms(const Branch& branch) {
  alarms_.erase({branch.wake_micros, branch.id, AlarmKind::wake});
  if (branch.timeout_at_micros)
    alarms_.erase({*branch.timeout_at_micros, branch.id, AlarmKind::timeout});
  if (branch.heartbeat_at_micros)
    alarms_.erase({*branch.heartbeat_at_micros, branch.id, AlarmKind::heartbeat});
}

void BranchTree::set_timeout(Branch& branch, std::int64_t micros) {
  alarms_.emplace(branch.timeout_at_micros.emplace(micros), branch.id, AlarmKind::timeout);
}

void BranchTree::set_heartbeat(Branch& branch, std::int64_t now) {
  if (branch.heartbeat_at_micros)
    alarms_.erase({*branch.heartbeat_at_micros, branch.id, AlarmKind::heartbeat});
  alarms_.emplace(branch.heartbeat_at_micros.emplace(now + branch.heartbeat_micros), branch.id, AlarmKind::heartbeat);
}

void BranchTree::remove_children(Branch& branch) {
  for (const std::int64_t id : std::exchange(branch.children, {})) {
    const auto found = branches_.find(id);
    if (found == branches_.end())
      continue;
    Branch& child = found->second;
    remove_children(child);
    if (child.phase == Branch::Phase::task)
      stop_task(child);
    forget_alarms(child);
    changed_.erase(id);
    removed_.push_back(id);
    branches_.erase(found);
  }
  branch.items = nullptr;
  branch.effective_input = nullptr;
  branch.children_total = branch.children_done = 0;
}

void BranchTree::clear() {
  if (Branch* root = find(kRootBranch)) {
    remove_children(*root);
    if (root->phase == Branch::Phase::task)
      stop_task(*root);
    branches_.erase(kRootBranch);
    removed_.push_back(kRootBranch);
  }
  changed_.clear();
  ready_.clear();
  alarms_.clear();
}

Branch* BranchTree::take_ready() {
  Branch* branch = find(ready_.front());
  ready_.pop_front();
  return branch != nullptr && branch->phase == Branch::Phase::ready ? branch : nullptr;
}

std::optional<std::int64_t> BranchTree::next_alarm_micros() const {
  return alarms_.empty() ? std::nullopt : std::optional(std::get<0>(*alarms_.begin()));
}

Branch* BranchTree::take_alarm() {
  const std::int64_t id = std::get<1>(*alarms_.begin());
  alarms_.erase(alarms_.begin());
  return find(id);
}

std::vector<StoredBranch> BranchTree::take_changed() {
  std::vector<StoredBranch> changed;
  for (const std::int64_t id : std::exchange(changed_, {})) {
    if (const Branch* branch = find(id))
      changed.push_back({id, stored(*branch)});
  }
  return changed;
}

}  // namespace shoplake::flow
