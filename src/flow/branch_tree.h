// BranchTree: the branches of an execution, which of them are to go on, and when others must be looked at again. It
// says nothing of what states do: that is Execution's business. A part of flow/execution.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.h"
#include "flow/branch.h"
#include "flow/definition.h"
#include "flow/execution.h"
#include "flow/json.h"

namespace shoplake::flow {

// The state that a branch is in.
const State& state_of(const Branch& branch);

// Error flow.bad_stored_execution (kind internal).
base::Error misfit(std::int64_t branch, const std::string& execution);

class BranchTree {
 public:
  // Branches as they were stored, under their parents; what is made anew but machines and children stays empty, and
  // nothing goes on before resume(). Errors: flow.bad_stored_execution; `execution` is its name, for messages.
  base::Result<void> restore(const StateMachine& machine, const std::vector<StoredBranch>& stored,
                             const std::string& execution);
  // Ready to go on, or to be looked at when its time comes. Of a restored branch.
  void resume(const Branch& branch);

  // A new branch at the start of a machine.
  Branch& add(std::int64_t parent, std::size_t index, const StateMachine* machine, std::shared_ptr<const Json> input,
              std::int64_t previous_event);
  Branch& at(std::int64_t id) { return branches_.at(id); }
  const Branch& at(std::int64_t id) const { return branches_.at(id); }
  Branch* find(std::int64_t id);  // null: it is over
  std::map<std::int64_t, Branch>& all() { return branches_; }

  // What changes a branch; it is to be stored then.
  void note_change(const Branch& branch) { changed_.insert(branch.id); }
  void go_to(Branch& branch, const std::string& state);
  void set_phase(Branch& branch, Branch::Phase phase);  // forgets the times of the phase before
  void wake_at(Branch& branch, Branch::Phase phase, std::int64_t micros);
  void set_timeout(Branch& branch, std::int64_t micros);
  void set_heartbeat(Branch& branch, std::int64_t now);  // for the first time, or again
  void remove_children(Branch& branch);
  // The branch's task is to be stopped: its outcome no longer counts.
  void stop_task(const Branch& branch) { stops_.emplace_back(branch.id, branch.attempt); }
  // The execution is over.
  void clear();

  bool has_ready() const { return !ready_.empty(); }
  Branch* take_ready();  // null: it does not go on any more
  std::optional<std::int64_t> next_alarm_micros() const;
  Branch* take_alarm();  // null: it is over

  // What has changed since the last call.
  std::vector<StoredBranch> take_changed();
  std::vector<std::int64_t> take_removed() { return std::exchange(removed_, {}); }
  std::vector<std::pair<std::int64_t, int>> take_stops() { return std::exchange(stops_, {}); }

 private:
  // Times of one branch may fall together, so the key says what it is a time of.
  enum class AlarmKind { wake, timeout, heartbeat };

  void forget_alarms(const Branch& branch);

  std::map<std::int64_t, Branch> branches_;
  std::int64_t next_branch_ = kRootBranch;
  std::deque<std::int64_t> ready_;
  std::set<std::tuple<std::int64_t, std::int64_t, AlarmKind>> alarms_;  // microseconds, branch
  std::set<std::int64_t> changed_;
  std::vector<std::int64_t> removed_;
  std::vector<std::pair<std::int64_t, int>> stops_;
};

}  // namespace shoplake::flow
